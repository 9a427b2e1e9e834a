import java.net.InetAddress;
import java.net.Socket;
import java.net.StandardSocketOptions;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.Arrays;

/** Fetches by HTTP, and the same bytes by a bare socket with a type of service from the next port. */
public class Client {
    public static void main(String[] arguments) throws Exception {
        URI address = URI.create(arguments[0]);
        byte[] body = HttpClient.newHttpClient()
            .send(HttpRequest.newBuilder(address).build(), BodyHandlers.ofByteArray()).body();
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), address.getPort() + 1)) {
            socket.setOption(StandardSocketOptions.IP_TOS, 0x10);
            socket.setTrafficClass(0x08);
            if (socket.getTrafficClass() != 0x08) throw new Exception("the type of service is lost");
            byte[] bare = socket.getInputStream().readAllBytes();
            if (!Arrays.equals(bare, body)) throw new Exception("the bytes differ");
        }
        System.out.write(body);
        System.out.flush();
    }
}
