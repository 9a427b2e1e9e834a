// Prints the protocol of each kind of socket that net makes.
package main

import (
	"fmt"
	"net"
	"sync"
	"syscall"
)

type raw interface {
	SyscallConn() (syscall.RawConn, error)
}

func protocol(conn any) int {
	value := -1
	control, err := conn.(raw).SyscallConn()
	if err != nil {
		panic(err)
	}
	control.Control(func(fd uintptr) { value, _ = syscall.GetsockoptInt(int(fd), 1, 38) })
	return value
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	local := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}
	direct := must(net.ListenTCP("tcp", local))
	address := listener.Addr().(*net.TCPAddr)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	fmt.Println(protocol(listener), protocol(direct),
		protocol(must(net.Dial("tcp", address.String()))),
		protocol(must(net.DialTCP("tcp", nil, address))),
		protocol(must(net.ListenPacket("udp", "127.0.0.1:0"))))
	var group sync.WaitGroup
	var lock sync.Mutex
	wrong := 0
	for worker := 0; worker < 16; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for round := 0; round < 50; round++ {
				conn, err := net.Dial("tcp", address.String())
				lock.Lock()
				if err != nil || protocol(conn) != 262 {
					wrong++
				}
				lock.Unlock()
				if err == nil {
					conn.Close()
				}
			}
		}()
	}
	group.Wait()
	fmt.Println("wrong", wrong)
}
