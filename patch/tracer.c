/*
 * The process that stands by while the program is executed, changes it before its first
 * instruction, lets it go and ends. It is a child of the program's process, which the program never
 * sees: what runs first there waits for its end (stub.c).
 */
#include "patch.h"

struct registers {
    u64 values[REG_COUNT];
};
enum { STOP_ROOM = 16, PAGE_STEP = 0x10000, PAGE = 4096 };

static bool get_registers(const struct tracee *tracee, struct registers *registers) {
    struct iovec vector = {registers, sizeof(*registers)};

    return !is_error(trace_call(PTRACE_GETREGSET, tracee, NT_PRSTATUS, (u64)&vector)) &&
           vector.size == sizeof(*registers);
}

static bool set_registers(const struct tracee *tracee, const struct registers *registers) {
    struct iovec vector = {(void *)registers, sizeof(*registers)};

    return !is_error(trace_call(PTRACE_SETREGSET, tracee, NT_PRSTATUS, (u64)&vector));
}

/*
 * Lets it run to the next stop of a kind: the event of an exec, or a system call. Signals go where
 * they were sent: after an exec there is no handler, so they end it, stop it or do nothing. One
 * that stops it is given on as well; if SIGCONT came meanwhile, the kernel drops it
 * (do_signal_stop(), kernel/signal.c @ v6.12). Stopped so it is `t` to ps(1) and not `T`, and to
 * its parent as any.
 */
static bool run_until(struct tracee *tracee, bool exec) {
    long request = exec ? PTRACE_CONT : PTRACE_SYSCALL;
    bool resumes = !exec; /* at first it runs already */
    u64 signal = 0;

    for (;;) {
        u32 status = 0, event, number;
        long waited;

        if (resumes && is_error(trace_call(request, tracee, 0, signal)))
            break;
        do
            waited = system_call(SYS_wait4, tracee->pid, (long)&status, WALL, 0, 0);
        while (waited == -EINTR);
        if (is_error(waited) || (status & 0xff) != 0x7f)
            break;
        resumes = true;
        signal = 0;
        number = status >> 8 & 0xff;
        event = status >> 16;
        if (exec ? event == PTRACE_EVENT_EXEC : number == (SIGTRAP | 0x80))
            return true;
        if (event == PTRACE_EVENT_STOP && number != SIGTRAP) {
            /* It stays stopped, as anybody would see it, until it is continued. */
            if (is_error(trace_call(PTRACE_LISTEN, tracee, 0, 0)))
                break;
            resumes = false;
        } else if (event == 0) {
            signal = number;
        }
    }
    tracee->gone = true;
    return false;
}

/* Makes it call the kernel at its entry; the code there is a system call. */
static long inject(struct tracee *tracee, const struct registers *start, long number,
                   const u64 *arguments) {
    struct registers registers = *start;

    /* The result of the execve is put into a register at its very end. */
    if (tracee->in_exec && !run_until(tracee, false))
        return -EPERM;
    tracee->in_exec = false;
#if defined(__x86_64__)
    const u8 order[] = {REG_DI, REG_SI, REG_DX, REG_R10, REG_R8, REG_R9};

    registers.values[REG_RESULT] = (u64)number;
    registers.values[REG_ORIGINAL] = ~0UL;
    for (u32 index = 0; index < 6; index++)
        registers.values[order[index]] = arguments[index];
#else
    registers.values[8] = (u64)number;
    for (u32 index = 0; index < 6; index++)
        registers.values[index] = arguments[index];
#endif
    if (!set_registers(tracee, &registers) || !run_until(tracee, false) ||
        !run_until(tracee, false) || !get_registers(tracee, &registers))
        return -EPERM;
    return (long)registers.values[REG_RESULT];
}

static bool put_call_at_entry(struct tracee *tracee, u64 entry) {
#if defined(__x86_64__)
    const u8 call[] = {0x0f, 0x05};
#else
    const u8 call[] = {0x01, 0x00, 0x00, 0xd4};
#endif
    return transfer(tracee, entry, (u8 *)&tracee->code_word, 8, false) &&
           write_verified(tracee, entry, call, sizeof(call));
}

/* Maps pages below the program, where its jumps reach; else anywhere, for the farewell alone. */
static long map_stub(struct tracee *tracee, const struct registers *start, u64 lowest) {
    u64 arguments[] = {0, STUB_ROOM, PROT_READ | PROT_EXEC, 0, ~0UL, 0};
    long mapped;

    for (u64 step = 1; step <= STOP_ROOM && lowest >= (step + 1) * PAGE_STEP; step++) {
        arguments[0] = lowest - step * PAGE_STEP;
        arguments[3] = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
        mapped = inject(tracee, start, SYS_mmap, arguments);
        if (tracee->gone || mapped == (long)arguments[0])
            return mapped;
        /* A kernel before 4.17 takes the address as a wish. */
        if (!is_error(mapped))
            return mapped;
    }
    arguments[0] = 0;
    arguments[3] = MAP_PRIVATE | MAP_ANONYMOUS;
    return inject(tracee, start, SYS_mmap, arguments);
}

static bool write_sites(const struct tracee *tracee, const struct image *image, u64 bias,
                        const struct stub *stub) {
    struct range jumps[MAX_SITES];
    u8 bytes[MAX_SITES][MAX_SITE];
    u32 index;

    for (index = 0; index < image->site_count; index++) {
        const struct site *site = image->sites + index;
        u64 size = build_jump(bytes[index], site, bias, stub->targets[index]);

        jumps[index] = (struct range){site->at + bias, bytes[index], size};
        if (size == 0 || !transfer(tracee, site->at + bias, bytes[index], size, true))
            break;
    }
    if (index == image->site_count && is_as(tracee, jumps, index))
        return true;
    for (u32 back = 0; back < image->site_count; back++) {
        const struct site *site = image->sites + back;
        u64 size = site->end - site->at;

        transfer(tracee, site->at + bias, (u8 *)image_bytes(image, site->at, size), size, true);
    }
    return false;
}

/* Builds the stub for where it is to lie; false if a call does not fit, or is out of reach. */
static bool build_stub(struct stub *stub, const struct job *job, u64 entry, u64 bias) {
    build_farewell(stub, entry, &job->farewell);
    for (u32 index = 0; index < job->image->site_count; index++) {
        if (!add_call(stub, job->image, bias, index))
            return false;
    }
    return true;
}

/* Puts the stub behind the program's own code; false if there is no room for it. */
static bool put_behind_code(const struct tracee *tracee, const struct job *job, u64 entry, u64 bias,
                            struct stub *stub) {
    const struct image *image = job->image;
    u64 skipped = -image->room.address & (STUB_ALIGN - 1);
    u8 found[PAGE];

    if (!fits_behind_code(image))
        return false;
    stub->base = image->room.address + bias + skipped;
    stub->room = image->room.size - skipped;
    return build_stub(stub, job, entry, bias) &&
           transfer(tracee, stub->base, found, stub->size, false) &&
           same_bytes(found, image->room.bytes, stub->size) &&
           write_verified(tracee, stub->base, stub->bytes, stub->size);
}

/* Puts it into pages of its own, and only the farewell if there is a reason already. */
static const char *put_into_pages(struct tracee *tracee, const struct job *job,
                                  const struct registers *start, u64 bias, struct stub *stub,
                                  const char *reason) {
    u64 entry = start->values[REG_PC];
    long mapped;

    stub->size = 0;
    if (!put_call_at_entry(tracee, entry))
        return "its memory cannot be written (ptrace)";
    mapped = map_stub(tracee, start, job->image->lowest + bias);
    if (!is_error(mapped)) {
        stub->base = (u64)mapped;
        stub->room = STUB_ROOM;
        if (reason != 0)
            build_farewell(stub, entry, &job->farewell);
        else if (!build_stub(stub, job, entry, bias))
            reason = "its calls are too far from free memory";
        if (!write_verified(tracee, stub->base, stub->bytes, stub->size)) {
            stub->size = 0;
            reason = "its new calls could not be written (ptrace)";
        }
    } else if (reason == 0) {
        reason = "there is no memory for its new calls (mmap)";
    }
    transfer(tracee, entry, (u8 *)&tracee->code_word, 8, true);
    return reason;
}

/* Changes the program; gives the reason why not, or null. Either way it goes on at `start`. */
static const char *change(struct tracee *tracee, const struct job *job, struct registers *start) {
    struct stub stub;
    const struct image *image = job->image;
    u64 entry = start->values[REG_PC], bias = 0;
    const char *reason = 0;

    if (!recognize(tracee, image, entry, start->values[REG_SP], &bias))
        reason = "its memory is not as its file";
    if (reason != 0 || !put_behind_code(tracee, job, entry, bias, &stub))
        reason = put_into_pages(tracee, job, start, bias, &stub, reason);
    if (stub.size != 0)
        start->values[REG_PC] = farewell_start(&stub);
    if (reason == 0 && !write_sites(tracee, image, bias, &stub))
        reason = "its calls could not be replaced (ptrace)";
    return reason;
}

/* Ends the program in the place of its first instruction. */
static void end_program(struct tracee *tracee, struct registers *start, u64 entry) {
    const u64 arguments[6] = {125};

    start->values[REG_PC] = entry;
    if (put_call_at_entry(tracee, entry))
        inject(tracee, start, SYS_exit_group, arguments);
    if (!tracee->gone)
        system_call(SYS_kill, tracee->pid, SIGKILL, 0, 0, 0);
}

/* From the handshake to the end. */
void trace(const struct job *job) {
    struct tracee tracee = {job->pid, false, true, 0, 0};
    struct registers start;
    const char *reason;
    u64 entry;

    /*
     * At that stop, though within execve(2), all is as the program will find it (exec_binprm(),
     * fs/exec.c @ v6.12), but for the call's result.
     */
    if (!run_until(&tracee, true) || !get_registers(&tracee, &start))
        return;
    /* Who ends this process from here on leaves no half-made program behind. */
    trace_call(PTRACE_SETOPTIONS, &tracee, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    entry = start.values[REG_PC];
    reason = change(&tracee, job, &start);
    /* Killed meanwhile, it is not stopped any more. */
    if (tracee.gone || !set_registers(&tracee, &start))
        return;
    if (reason != 0) {
        say_stays(job->program, reason);
        if (job->strict) {
            end_program(&tracee, &start, entry);
            return;
        }
    } else if (job->debug) {
        say("mptcpize: ");
        say(job->program);
        say(": places that ask for MPTCP now: ");
        say_number(job->image->site_count);
        say("\n");
    }
    trace_call(PTRACE_DETACH, &tracee, 0, 0);
}
