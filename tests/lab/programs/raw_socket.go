// A static program of which GODEBUG says nothing: it makes its sockets by system calls of its own, as
// Go did everywhere before 1.21.
//
// raw_socket listen PORT   takes connections on 127.0.0.1, and keeps them until the peer closes
// raw_socket connect PORT  connects, sends a byte, and stays until stdin ends
package main

import (
	"io"
	"os"
	"strconv"
	"syscall"
)

func check(what string, err error) {
	if err != nil {
		os.Stderr.WriteString("raw_socket: " + what + ": " + err.Error() + "\n")
		os.Exit(1)
	}
}

func keep(connection int) {
	buffer := make([]byte, 4096)
	for {
		if count, err := syscall.Read(connection, buffer); err != nil || count == 0 {
			syscall.Close(connection)
			return
		}
	}
}

func main() {
	if len(os.Args) != 3 {
		os.Stderr.WriteString("usage: raw_socket listen|connect PORT\n")
		os.Exit(2)
	}
	port, err := strconv.Atoi(os.Args[2])
	check("port", err)
	address := &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	check("socket", err)
	if os.Args[1] == "connect" {
		check("connect", syscall.Connect(socket, address))
		_, err = syscall.Write(socket, []byte("x"))
		check("write", err)
		io.Copy(io.Discard, os.Stdin)
		return
	}
	check("setsockopt", syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1))
	check("bind", syscall.Bind(socket, address))
	check("listen", syscall.Listen(socket, 16))
	for {
		connection, _, err := syscall.Accept(socket)
		check("accept", err)
		go keep(connection)
	}
}
