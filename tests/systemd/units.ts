/**
 * Units for the tests of `enable`: what packages and administrators write, and what stands in the way.
 *
 * @module
 */

/** Where the files of the units lie. */
export const SCENE = "/srv/lab-units";

/** An HTTP server as a Python program, which knows nothing of MPTCP. */
const PYTHON = (port: number | string) =>
  `/usr/bin/python3 -m http.server --bind 127.0.0.1 --directory ${SCENE} ${port}`;

/** Takes its listener from systemd, or makes one at a port where it gets none. */
const ACTIVATED = `import os, socket, sys
fds = int(os.environ.get("LISTEN_FDS", "0"))
if fds:
    listener = socket.socket(fileno=3)
else:
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection, _ = listener.accept()
    connection.sendall(b"hello\\n")
    connection.close()
`;

/** A library that is loaded into every program all the same: any that changes nothing. */
export const OTHER_LIBRARY = "/lib/x86_64-linux-gnu/libdl.so.2";

/** A listener for HAProxy, whose package brings none. */
const HAPROXY = `frontend lab
  bind 127.0.0.1:8114
  mode http
  timeout client 60s
  http-request return status 200 content-type text/plain string hello
`;

/** What an administrator wrote beside the unit of a package. */
export const DROP_IN_FOLDER = "/etc/systemd/system/haproxy.service.d";

/** Files by path, and the text of each. */
export const FILES: Readonly<Record<string, string>> = {
  [`${SCENE}/haproxy.cfg`]: HAPROXY,
  [`${DROP_IN_FOLDER}/10-lab.conf`]:
    `[Service]\nEnvironment="EXTRAOPTS=-S /run/haproxy-master.sock -f ${SCENE}/haproxy.cfg"\n`,
  [`${SCENE}/index.html`]: "hello\n",
  [`${SCENE}/activated.py`]: ACTIVATED,
  [`${SCENE}/preload.env`]: `# jemalloc and the like\nLD_PRELOAD="${OTHER_LIBRARY}"\n`,
  [`${SCENE}/plain.env`]: "COLOUR=blue\nGREETING='good day'\n",
};

const service = (lines: string) =>
  `[Unit]\nDescription=A service of the tests\n\n[Service]\n${lines}\n`;

/** Unit files by name. */
export const UNITS: Readonly<Record<string, string>> = {
  // A service as careful packages write it.
  "lab-python.service": service(`ExecStart=${PYTHON(8101)}
User=www-data
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallFilter=@system-service
CapabilityBoundingSet=`),
  "lab-go.service": service(`ExecStart=/usr/local/lib/lab/http_server 127.0.0.1:8102
WorkingDirectory=${SCENE}
DynamicUser=yes
Environment=GODEBUG=madvdontneed=1`),
  "lab-static.service": service("ExecStart=/bin/busybox httpd -f -p 127.0.0.1:8103"),
  "lab-port@.service": service(`ExecStart=${PYTHON("%i")}`),
  "lab-environment.service": service(`ExecStart=${PYTHON(8104)}
Environment=LD_PRELOAD=${OTHER_LIBRARY}
Environment="GREETING=good day, it is 100%% \\"fine\\"" 'PRICE=5$'
Environment=COLOUR=blue
EnvironmentFile=-${SCENE}/plain.env
EnvironmentFile=-${SCENE}/not-there.env`),
  "lab-file.service": service(`ExecStart=${PYTHON(8105)}
EnvironmentFile=${SCENE}/preload.env`),
  "lab-root.service": service(`ExecStart=/sleep infinity
RootDirectory=${SCENE}/root`),
  "lab-root-server.service": service(`ExecStart=/busybox httpd -f -p 127.0.0.1:8113
RootDirectory=${SCENE}/root
RootDirectoryStartOnly=yes`),
  "lab-noexec.service": service(`ExecStart=${PYTHON(8106)}
NoExecPaths=/
ExecPaths=/usr/bin /usr/lib/x86_64-linux-gnu /usr/lib64`),
  "lab-unset.service": service(`ExecStart=${PYTHON(8107)}
UnsetEnvironment=LD_PRELOAD`),
  // Several command lines, one of them a shell's, with a line end in it.
  "lab-several.service": service(`Type=oneshot
RemainAfterExit=yes
ExecStartPre=-/bin/sh -c "echo one; \\
echo two"
ExecStart=/bin/sh -c 'echo "a\\nb" ; true'
ExecStart=@/bin/true true-by-another-name x
ExecStartPost=+/bin/true`),
  "lab-broken.service": service(`ExecStart=${PYTHON(8108)}
ExecStartPre=/bin/sh -c 'test -z "$LD_PRELOAD" || { echo no LD_PRELOAD for me, please; exit 3; }'`),
  "lab-slow.service": service(`ExecStart=${PYTHON(8112)}
ExecStartPre=/bin/sh -c 'test -z "$LD_PRELOAD" || sleep 1000'`),
  "lab-activated.service": service(`ExecStart=/usr/bin/python3 ${SCENE}/activated.py 8109`),
  "lab-activated.socket": "[Socket]\nListenStream=127.0.0.1:8109\n",
  "lab-mixed.socket":
    `[Socket]\nListenStream=127.0.0.1:8110\nListenStream=/run/lab-mixed.sock\nService=lab-activated.service\n`,
  "lab-local.socket": `[Socket]\nListenStream=/run/lab-local.sock\nService=lab-several.service\n`,
};
