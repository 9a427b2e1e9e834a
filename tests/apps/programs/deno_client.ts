const response = await fetch(Deno.args[0]!);
await response.body!.pipeTo(Deno.stdout.writable);
