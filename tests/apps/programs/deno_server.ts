const [port, file] = Deno.args;
Deno.serve({ hostname: "127.0.0.1", port: Number(port), onListen() {} }, async () => {
  return new Response((await Deno.open(file!)).readable);
});
