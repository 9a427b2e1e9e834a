// Serves a file to each client, or fetches one:
// transfer serve PORT FILE | transfer fetch PORT > FILE
package main

import (
	"io"
	"net"
	"os"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	address := net.JoinHostPort("127.0.0.1", os.Args[2])
	if os.Args[1] == "fetch" {
		connection, err := net.Dial("tcp", address)
		check(err)
		_, err = io.Copy(os.Stdout, connection)
		check(err)
		return
	}
	content, err := os.ReadFile(os.Args[3])
	check(err)
	listener, err := net.Listen("tcp", address)
	check(err)
	for {
		connection, err := listener.Accept()
		check(err)
		_, err = connection.Write(content)
		check(err)
		check(connection.Close())
	}
}
