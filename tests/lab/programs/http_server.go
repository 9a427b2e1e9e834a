// An ordinary server, static: http_server ADDRESS serves the folder that it is started in.
//
//go:debug multipathtcp=0
package main

import (
	"net/http"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		os.Stderr.WriteString("usage: http_server ADDRESS\n")
		os.Exit(2)
	}
	err := http.ListenAndServe(os.Args[1], http.FileServer(http.Dir(".")))
	os.Stderr.WriteString("http_server: " + err.Error() + "\n")
	os.Exit(1)
}
