const response = await fetch(process.argv[2]);
process.stdout.write(Buffer.from(await response.arrayBuffer()));
