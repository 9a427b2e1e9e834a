const { createReadStream } = require("node:fs");
const { createServer } = require("node:http");

const [port, file] = process.argv.slice(2);
createServer((_request, response) => createReadStream(file).pipe(response))
  .listen(Number(port), "127.0.0.1");
