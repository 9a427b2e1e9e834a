// A small HTTP server without a C library: server PORT [multipath].
package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"strings"
)

func main() {
	var config net.ListenConfig
	if len(os.Args) > 2 {
		config.SetMultipathTCP(true)
	}
	listener, err := config.Listen(context.Background(), "tcp4", "127.0.0.1:"+os.Args[1])
	if err != nil {
		panic(err)
	}
	body := []byte(strings.Repeat("x", 612))
	panic(http.Serve(listener, http.HandlerFunc(func(writer http.ResponseWriter, _ *http.Request) {
		writer.Write(body)
	})))
}
