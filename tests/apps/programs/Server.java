import com.sun.net.httpserver.HttpServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;

/** Serves a file by HTTP on one port, and by a bare socket with a type of service on the next. */
public class Server {
    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(arguments[0]);
        byte[] content = Files.readAllBytes(Path.of(arguments[1]));
        ServerSocketChannel bare = ServerSocketChannel.open();
        bare.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port + 1));
        Thread server = new Thread(() -> {
            while (true) {
                try (var channel = bare.accept()) {
                    channel.setOption(StandardSocketOptions.IP_TOS, 0x10);
                    channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
                    ByteBuffer buffer = ByteBuffer.wrap(content);
                    while (buffer.hasRemaining()) channel.write(buffer);
                } catch (Exception exception) {
                    exception.printStackTrace();
                }
            }
        });
        server.setDaemon(true);
        server.start();
        HttpServer http = HttpServer.create(
            new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
        http.createContext("/", exchange -> {
            exchange.sendResponseHeaders(200, content.length);
            try (var body = exchange.getResponseBody()) {
                body.write(content);
            }
        });
        http.start();
    }
}
