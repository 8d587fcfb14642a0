/*
 * Loaded into User Mode Linux beside its C library (LD_PRELOAD), for processors with AMX.
 *
 * The kernel of Debian trixie reads and writes the registers of its processes in an area of 2,696 bytes, which has
 * room for everything up to protection keys. Where the processor has AMX, the host's kernel takes NT_X86_XSTATE whole
 * or not at all, so that every write fails and the guest ends with its first process. What is written here is whole:
 * the part that User Mode Linux knows, and zeros behind it. AMX has to be asked for by arch_prctl, which User Mode Linux
 * does not offer its processes, so none of them has anything there. Kernels from 6.13 on ask for the size.
 *
 * Only this one system call is concerned; there is no header because tcc comes without any.
 */

struct iovec {
    void *base;
    unsigned long length;
};

long syscall(long number, ...);
void *memcpy(void *to, const void *from, unsigned long length);

enum { SYS_ptrace = 101 };
enum { PEEKTEXT = 1, PEEKUSER = 3, GETREGSET = 0x4204, SETREGSET = 0x4205 };
enum { NT_X86_XSTATE = 0x202 };

/* More than any processor's XSAVE area; its size is known after the first reading. */
static unsigned char whole[65536];
static unsigned long size;

static long read_whole(long process)
{
    struct iovec all = { whole, sizeof whole };
    long result = syscall(SYS_ptrace, GETREGSET, process, NT_X86_XSTATE, &all);
    if (result == 0)
        size = all.length;
    return result;
}

static long get_xstate(long process, struct iovec *part)
{
    long result = read_whole(process);
    if (result != 0)
        return result;
    if (part->length > size)
        part->length = size;
    memcpy(part->base, whole, part->length);
    return 0;
}

/* What lies behind the part is what the last reading found there: nothing, see above. */
static long set_xstate(long process, const struct iovec *part)
{
    struct iovec all;
    if (size == 0 && read_whole(process) != 0)
        return -1;
    all.base = whole;
    all.length = size;
    memcpy(whole, part->base, part->length < size ? part->length : size);
    return syscall(SYS_ptrace, SETREGSET, process, NT_X86_XSTATE, &all);
}

/* As ptrace(2) of the C library, where a peek is the result and not written to the last argument. */
long ptrace(long request, long process, void *address, void *data)
{
    long word, result;
    if (request == GETREGSET && (long)address == NT_X86_XSTATE)
        return get_xstate(process, data);
    if (request == SETREGSET && (long)address == NT_X86_XSTATE)
        return set_xstate(process, data);
    if (request < PEEKTEXT || request > PEEKUSER)
        return syscall(SYS_ptrace, request, process, address, data);
    result = syscall(SYS_ptrace, request, process, address, &word);
    return result < 0 ? result : word;
}
