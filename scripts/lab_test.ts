import { deepStrictEqual, strictEqual, throws } from "node:assert";
import { findUnexplained, parseArguments } from "./lab.ts";
import { jobsOf, suiteOf } from "./lab/guest.ts";
import { chooseNewest } from "./lab/debian.ts";
import { orderModules } from "./lab/images.ts";

Deno.test("parseArguments() takes all kernels when none is named", () => {
  deepStrictEqual(parseArguments([]), {
    kernels: ["6.1", "6.12", "7.2"],
    task: "run",
    keep: false,
  });
  deepStrictEqual(parseArguments(["--kernel", "6.1", "curl"]), {
    kernels: ["6.1"],
    task: "run",
    keep: false,
    filter: "curl",
  });
  strictEqual(parseArguments(["--shell"]).task, "shell");
  throws(() => parseArguments(["--kernel", "5.10"]), /one of 6\.1, 6\.12, 7\.2/);
  throws(() => parseArguments(["--kernels="]), /Cannot understand/);
  throws(() => parseArguments(["a", "b"]), /Cannot understand b/);
});

Deno.test("findUnexplained() passes only what the kernel is known to lack", () => {
  const skipped = ["MPTCP_FULL_INFO", "musl-gcc"];
  deepStrictEqual(findUnexplained("6.1", skipped), ["musl-gcc"]);
  deepStrictEqual(findUnexplained("6.12", skipped), ["MPTCP_FULL_INFO", "musl-gcc"]);
});

Deno.test("jobsOf() gives tests that change the machine a guest of their own", () => {
  const jobs = jobsOf("6.12");
  const shared = jobs.filter(({ machine }) => machine.parallel);
  deepStrictEqual(shared.map(({ machine }) => machine.paths.includes("tests/preload/")), [true]);
  strictEqual(jobs.some(({ machine }) => machine.name === "bpf"), true);
});

Deno.test("jobsOf() boots only the guests whose files the filter names", () => {
  deepStrictEqual(jobsOf("6.12", "bpf/soften"), [{
    kernel: "6.12",
    machine: { name: "bpf", paths: ["tests/bpf/soften_test.ts"] },
  }]);
  const [reboot] = jobsOf("6.12", "tests/reboot/");
  strictEqual(reboot?.machine.reboots, true);
});

Deno.test("jobsOf() takes what is no part of a path as a part of names, but not over a reboot", () => {
  const [job, ...others] = jobsOf("7.2", "1,000 targets");
  deepStrictEqual([job?.filter, job?.machine.name, others], ["1,000 targets", "bpf", []]);
  strictEqual(suiteOf(job!, 1).command.includes("--filter=1,000 targets"), true);
  strictEqual(jobsOf("7.2", "reboot").some(({ machine }) => machine.reboots), true);
  deepStrictEqual(jobsOf("7.2", "such a name there is not"), []);
});

Deno.test("orderModules() puts each module after what it needs when its file is compressed", () => {
  const dependencies = `kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz kernel/lib/crc16.ko.xz
kernel/fs/jbd2/jbd2.ko.xz: kernel/lib/crc16.ko.xz
kernel/lib/crc16.ko.xz:
kernel/drivers/block/virtio-blk.ko.xz:
`;
  deepStrictEqual(orderModules(dependencies, ["virtio_blk", "virtio_pci", "ext4"]), [
    "kernel/drivers/block/virtio-blk.ko.xz",
    "kernel/lib/crc16.ko.xz",
    "kernel/fs/jbd2/jbd2.ko.xz",
    "kernel/fs/ext4/ext4.ko.xz",
  ]);
});

Deno.test("chooseNewest() compares numbers as numbers and takes only whole names", () => {
  const names = [
    "linux-6.9-cloud",
    "linux-6.12-cloud",
    "linux-6.12-cloud-unsigned",
    "linux-6.2-rt",
  ];
  strictEqual(chooseNewest(names, "linux-6\\.\\d+-cloud"), "linux-6.12-cloud");
  strictEqual(chooseNewest(names, "linux-7\\.\\d+-cloud"), undefined);
});
