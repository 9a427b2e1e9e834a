/*
 * Prints what this kernel answers about MPTCP sockets, in bytes, as one JSON object.
 *
 * Runs in a network namespace of its own (`unshare -n`), or as the init of a virtual machine. Needs
 * nothing but loopback, which it brings up.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SOL_MPTCP 284
#define TCP_INFO 11
#define TCP_USER_TIMEOUT 18
#define ROOM 9 /* elements of an array */

static void die(const char *what) {
    fprintf(stderr, "capture: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void print_hex(const void *data, size_t length) {
    const unsigned char *bytes = data;
    putchar('"');
    for (size_t i = 0; i < length; i++)
        printf("%02x", bytes[i]);
    putchar('"');
}

/* ---- questions ---- */

static const char *separator;

static int ask(int fd, const char *name, int level, int option, void *buffer, socklen_t *length) {
    printf("%s\n      \"%s\": ", separator, name);
    separator = ",";
    if (getsockopt(fd, level, option, buffer, length) == 0)
        return 0;
    printf("{ \"errno\": %d }", errno);
    return -1;
}

static void print_option(int fd, const char *name, int level, int option, socklen_t length) {
    unsigned char buffer[512] = {0};
    if (ask(fd, name, level, option, buffer, &length) == 0) {
        printf("{ \"bytes\": ");
        print_hex(buffer, length);
        printf(" }");
    }
}

static void print_array(int fd, const char *name, int option, uint32_t size) {
    unsigned char buffer[16 + ROOM * 512] = {0};
    uint32_t header[4] = {16, 0, 0, size};
    socklen_t length = sizeof(header) + ROOM * size;
    memcpy(buffer, header, sizeof(header));
    if (ask(fd, name, SOL_MPTCP, option, buffer, &length) == 0) {
        printf("{ \"bytes\": ");
        print_hex(buffer, length);
        printf(" }");
    }
}

struct full_info {
    uint32_t size_tcpinfo_kernel, size_tcpinfo_user;
    uint32_t size_sfinfo_kernel, size_sfinfo_user;
    uint32_t num_subflows, size_arrays_user;
    uint64_t subflow_info, tcp_info;
};

static void print_full_info(int fd, const char *name, uint32_t tcp_size, uint32_t subflow_size) {
    static unsigned char subflows[ROOM * 512], tcps[ROOM * 512];
    struct full_info info = {
        .size_tcpinfo_user = tcp_size,
        .size_sfinfo_user = subflow_size,
        .size_arrays_user = ROOM,
        .subflow_info = (uintptr_t)subflows,
        .tcp_info = (uintptr_t)tcps,
    };
    socklen_t length = sizeof(info);
    if (ask(fd, name, SOL_MPTCP, 4, &info, &length) != 0)
        return;
    /* Pointers of this process mean nothing to the reader, and differ from run to run. */
    info.subflow_info = info.tcp_info = 0;
    printf("{ \"header\": ");
    print_hex(&info, length);
    printf(", \"subflowInfos\": ");
    print_hex(subflows, (size_t)info.num_subflows * info.size_sfinfo_user);
    printf(", \"tcpInfos\": ");
    print_hex(tcps, (size_t)info.num_subflows * info.size_tcpinfo_user);
    printf(" }");
}

static void print_end(int fd, const char *name, int (*get)(int, struct sockaddr *, socklen_t *)) {
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    printf("%s\n      \"%s\": ", separator, name);
    separator = ",";
    if (get(fd, (struct sockaddr *)&address, &length) == 0) {
        printf("{ \"bytes\": ");
        print_hex(&address, length);
        printf(" }");
    } else {
        printf("{ \"errno\": %d }", errno);
    }
}

/* What is asked for with more than any kernel has shows its own size. */
static void print_socket(int fd, const char *name) {
    static const char *outer = "";
    printf("%s\n    \"%s\": {", outer, name);
    outer = ",";
    separator = "";
    print_option(fd, "SO_PROTOCOL", SOL_SOCKET, SO_PROTOCOL, 4);
    print_option(fd, "MPTCP_INFO", SOL_MPTCP, 1, 512);
    print_array(fd, "MPTCP_TCPINFO", 2, 512);
    print_array(fd, "MPTCP_SUBFLOW_ADDRS", 3, 512);
    print_full_info(fd, "MPTCP_FULL_INFO", 512, 512);
    /* As inspect/ asks: fewer bytes than the kernel has. */
    print_full_info(fd, "MPTCP_FULL_INFO short", 208, 264);
    print_option(fd, "TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, 4);
    print_end(fd, "getsockname", getsockname);
    print_end(fd, "getpeername", getpeername);
    /* Last, since this one makes an unconnected MPTCP socket create its first subflow. */
    print_option(fd, "TCP_INFO", IPPROTO_TCP, TCP_INFO, 512);
    printf("\n    }");
}

/* ---- sockets ---- */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static int make_socket(int family, int protocol) {
    int fd = socket(family, SOCK_STREAM, protocol);
    if (fd < 0)
        die("socket");
    return fd;
}

static int make_listener(int family, const char *text, int protocol, union address *address) {
    socklen_t length = sizeof(*address);
    int fd = make_socket(family, protocol);
    memset(address, 0, sizeof(*address));
    address->any.sa_family = family;
    inet_pton(family, text,
              family == AF_INET ? (void *)&address->v4.sin_addr : (void *)&address->v6.sin6_addr);
    if (bind(fd, &address->any, length) || listen(fd, 4))
        die("bind or listen");
    if (getsockname(fd, &address->any, &length))
        die("getsockname");
    return fd;
}

static int make_client(int family, int protocol, const union address *to) {
    int fd = make_socket(family, protocol);
    if (connect(fd, &to->any, sizeof(*to)))
        die("connect");
    return fd;
}

static void exchange(int from, int to) {
    char data[1000] = {0};
    if (send(from, data, sizeof(data), 0) != sizeof(data) ||
        recv(to, data, sizeof(data), MSG_WAITALL) != sizeof(data))
        die("send or recv");
}

static const char *named(const char *name, const char *family) {
    static char text[64];
    snprintf(text, sizeof(text), "%s %s", name, family);
    return text;
}

static void capture(int family, const char *text, const char *label) {
    union address mptcp, tcp;
    int listener = make_listener(family, text, IPPROTO_MPTCP, &mptcp);
    int tcp_listener = make_listener(family, text, IPPROTO_TCP, &tcp);
    int unconnected = make_socket(family, IPPROTO_MPTCP);
    int client = make_client(family, IPPROTO_MPTCP, &mptcp);
    int accepted = accept(listener, NULL, NULL);
    int fallback = make_client(family, IPPROTO_MPTCP, &tcp);
    int fallback_peer = accept(tcp_listener, NULL, NULL);
    int tcp_client = make_client(family, IPPROTO_TCP, &mptcp);
    int accepted_tcp = accept(listener, NULL, NULL);

    exchange(client, accepted);
    exchange(accepted, client);
    exchange(fallback, fallback_peer);
    usleep(300000); /* Additional subflows, acknowledgements. */
    print_socket(unconnected, named("unconnected", label));
    print_socket(listener, named("listening", label));
    print_socket(client, named("connected", label));
    print_socket(accepted, named("accepted", label));
    print_socket(fallback, named("fallback", label));
    print_socket(accepted_tcp, named("accepted from TCP", label));
    print_socket(tcp_client, named("TCP", label));
    for (int fd = 3; fd < 64; fd++)
        close(fd);
}

/* ---- set-up ---- */

static void raise_loopback(void) {
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request))
        die("bring up lo");
    close(fd);
}

struct message {
    struct nlmsghdr header;
    struct genlmsghdr generic;
    unsigned char attributes[64];
};

static void add_attribute(struct message *message, int type, const void *data, int length) {
    struct nlattr *attribute = (void *)((char *)message + NLMSG_ALIGN(message->header.nlmsg_len));
    attribute->nla_type = type;
    attribute->nla_len = NLA_HDRLEN + length;
    memcpy((char *)attribute + NLA_HDRLEN, data, length);
    message->header.nlmsg_len =
        NLMSG_ALIGN(message->header.nlmsg_len) + NLA_ALIGN(attribute->nla_len);
}

static int request(int fd, struct message *message, void *answer, size_t size) {
    struct nlmsghdr *header = answer;
    message->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    if (send(fd, message, message->header.nlmsg_len, 0) < 0)
        die("netlink send");
    int length = recv(fd, answer, size, 0);
    if (length < 0)
        die("netlink recv");
    if (header->nlmsg_type == NLMSG_ERROR) {
        errno = -((struct nlmsgerr *)NLMSG_DATA(header))->error;
        return errno ? -1 : length;
    }
    return length;
}

static int path_manager; /* the number of the family mptcp_pm */

/* Adds 127.0.0.2 as an endpoint, so that an IPv4 connection gets a second subflow. */
static void add_endpoint(void) {
    char answer[4096];
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
    struct message find = {.header = {NLMSG_LENGTH(GENL_HDRLEN), GENL_ID_CTRL},
                           .generic = {CTRL_CMD_GETFAMILY, 1}};
    add_attribute(&find, CTRL_ATTR_FAMILY_NAME, "mptcp_pm", 9);
    int length = request(fd, &find, answer, sizeof(answer));
    if (length < 0)
        die("find mptcp_pm");
    int family = -1, offset = NLMSG_LENGTH(GENL_HDRLEN);
    while (offset + NLA_HDRLEN <= length) {
        struct nlattr *attribute = (void *)(answer + offset);
        if (attribute->nla_type == CTRL_ATTR_FAMILY_ID)
            family = *(uint16_t *)((char *)attribute + NLA_HDRLEN);
        offset += NLA_ALIGN(attribute->nla_len);
    }
    path_manager = family;
    close(fd);
    fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);

    struct message inner = {.header = {.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN)}};
    uint16_t af = AF_INET;
    uint32_t flags = 2 /* MPTCP_PM_ADDR_FLAG_SUBFLOW */, ip = inet_addr("127.0.0.2");
    add_attribute(&inner, 1, &af, sizeof(af));
    add_attribute(&inner, 3, &ip, sizeof(ip));
    add_attribute(&inner, 6, &flags, sizeof(flags));
    struct message add = {.header = {NLMSG_LENGTH(GENL_HDRLEN), family},
                          .generic = {1 /* MPTCP_PM_CMD_ADD_ADDR */, 1}};
    add_attribute(&add, 1 | NLA_F_NESTED, inner.attributes,
                  inner.header.nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN));
    if (request(fd, &add, answer, sizeof(answer)) < 0)
        die("add an endpoint");
    close(fd);
    /* One more subflow is allowed: before Linux 5.17 the limit is 0. */
    fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
    uint32_t accept = 0, subflows = 2;
    struct message limits = {.header = {NLMSG_LENGTH(GENL_HDRLEN), family},
                             .generic = {5 /* MPTCP_PM_CMD_SET_LIMITS */, 1}};
    add_attribute(&limits, 2, &accept, sizeof(accept));
    add_attribute(&limits, 3, &subflows, sizeof(subflows));
    if (request(fd, &limits, answer, sizeof(answer)) < 0)
        die("set limits");
    close(fd);
}

/* ---- lists ---- */

/* Prints the datagrams of an answer, up to its end. */
static void print_answer(const char *name, int protocol, void *message, uint32_t length, int dump) {
    static const char *outer = "";
    static unsigned char datagram[1 << 16];
    struct nlmsghdr *header = message;
    int fd = socket(AF_NETLINK, SOCK_RAW, protocol), done = 0;
    header->nlmsg_len = length;
    header->nlmsg_flags = NLM_F_REQUEST | (dump ? NLM_F_DUMP : NLM_F_ACK);
    header->nlmsg_seq = 7;
    if (fd < 0 || send(fd, message, length, 0) < 0)
        die("netlink");
    printf("%s\n    \"%s\": [", outer, name);
    outer = ",";
    for (const char *inner = ""; !done; inner = ", ") {
        int received = recv(fd, datagram, sizeof(datagram), 0);
        if (received < 0)
            die("netlink recv");
        for (int at = 0; at + NLMSG_HDRLEN <= received;) {
            struct nlmsghdr *part = (void *)(datagram + at);
            /* The port of this process means nothing to the reader. */
            part->nlmsg_pid = 0;
            done |= part->nlmsg_type == NLMSG_DONE || part->nlmsg_type == NLMSG_ERROR;
            at += NLMSG_ALIGN(part->nlmsg_len);
        }
        printf("%s", inner);
        print_hex(datagram, received);
    }
    printf("]");
    close(fd);
}

/* SOCK_DIAG_BY_FAMILY with struct inet_diag_req_v2 and INET_DIAG_REQ_PROTOCOL. */
static void print_sockets(int family, uint32_t protocol, const char *name) {
    struct {
        struct nlmsghdr header;
        unsigned char family, protocol, ext, pad;
        uint32_t states;
        unsigned char id[48];
        struct nlattr attribute;
        uint32_t value;
    } message = {
        .header = {.nlmsg_type = 20},
        .family = family,
        .protocol = IPPROTO_TCP,
        .ext = 2 /* 1 << (INET_DIAG_INFO - 1) */,
        .states = 0xfff & ~(1 << 6 | 1 << 3),
        .attribute = {8, 3},
        .value = protocol,
    };
    print_answer(name, 4 /* NETLINK_SOCK_DIAG */, &message, sizeof(message), 1);
}

static void print_generic(const char *name, int type, int command, int dump) {
    struct message message = {.header = {NLMSG_LENGTH(GENL_HDRLEN), type}, .generic = {command, 1}};
    print_answer(name, NETLINK_GENERIC, &message, message.header.nlmsg_len, dump);
}

static void capture_lists(void) {
    union address mptcp, tcp;
    int listener = make_listener(AF_INET, "127.0.0.1", IPPROTO_MPTCP, &mptcp);
    int tcp_listener = make_listener(AF_INET, "127.0.0.1", IPPROTO_TCP, &tcp);
    int client = make_client(AF_INET, IPPROTO_MPTCP, &mptcp);
    int accepted = accept(listener, NULL, NULL);
    int fallback = make_client(AF_INET, IPPROTO_MPTCP, &tcp);
    int fallback_peer = accept(tcp_listener, NULL, NULL);
    union address v6;
    int listener6 = make_listener(AF_INET6, "::1", IPPROTO_MPTCP, &v6);
    int client6 = make_client(AF_INET6, IPPROTO_MPTCP, &v6);
    exchange(client, accepted);
    exchange(accepted, client);
    exchange(fallback, fallback_peer);
    exchange(client6, accept(listener6, NULL, NULL));
    usleep(300000);
    print_sockets(AF_INET, IPPROTO_TCP, "TCP IPv4");
    print_sockets(AF_INET, IPPROTO_MPTCP, "MPTCP IPv4");
    print_sockets(AF_INET6, IPPROTO_TCP, "TCP IPv6");
    print_sockets(AF_INET6, IPPROTO_MPTCP, "MPTCP IPv6");
    struct message find = {.header = {NLMSG_LENGTH(GENL_HDRLEN), GENL_ID_CTRL},
                           .generic = {CTRL_CMD_GETFAMILY, 1}};
    add_attribute(&find, CTRL_ATTR_FAMILY_NAME, "mptcp_pm", 9);
    print_answer("family", NETLINK_GENERIC, &find, find.header.nlmsg_len, 0);
    print_generic("endpoints", path_manager, 3 /* MPTCP_PM_CMD_GET_ADDR */, 1);
    print_generic("limits", path_manager, 6 /* MPTCP_PM_CMD_GET_LIMITS */, 0);
}

static void print_counters(void) {
    FILE *file = fopen("/proc/net/netstat", "r");
    char line[16384];
    const char *outer = "";
    printf("  \"counters\": [");
    while (file && fgets(line, sizeof(line), file)) {
        if (strncmp(line, "MPTcpExt:", 9))
            continue;
        line[strcspn(line, "\n")] = 0;
        printf("%s\n    \"%s\"", outer, line);
        outer = ",";
    }
    printf("\n  ]");
}

/* Lists of sockets are modules in some kernels, which the init of a virtual machine loads itself.
 */
static void load_modules(void) {
    static const char *const names[] = {"/inet_diag.ko", "/tcp_diag.ko", "/mptcp_diag.ko"};
    for (int i = 0; i < 3; i++) {
        int fd = open(names[i], O_RDONLY);
        if (fd < 0)
            continue;
        if (syscall(SYS_finit_module, fd, "", 0))
            die(names[i]);
        close(fd);
    }
}

int main(void) {
    struct utsname kernel;
    uname(&kernel);
    if (getpid() == 1)
        load_modules();
    raise_loopback();
    add_endpoint();
    printf("{\n  \"release\": \"%s\",\n  \"version\": \"%s\",\n  \"machine\": \"%s\",\n  "
           "\"sockets\": {",
           kernel.release, kernel.version, kernel.machine);
    capture(AF_INET, "127.0.0.1", "IPv4");
    capture(AF_INET6, "::1", "IPv6");
    capture(AF_INET6, "::ffff:127.0.0.1", "v4-mapped");
    printf("\n  },\n  \"netlink\": {");
    capture_lists();
    printf("\n  },\n");
    mkdir("/proc", 0755);
    mount("proc", "/proc", "proc", 0, NULL); /* Is there already, unless this is the init. */
    print_counters();
    printf("\n}\n");
    fflush(stdout);
    if (getpid() == 1)
        reboot(RB_AUTOBOOT); /* With -no-reboot the virtual machine ends here. */
    return 0;
}
