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
int memcmp(const void *one, const void *other, unsigned long length);

enum { SYS_ptrace = 101 };
enum { PEEKTEXT = 1, PEEKUSER = 3, GETREGS = 12, SETREGS = 13, GETREGSET = 0x4204, SETREGSET = 0x4205 };
enum { NT_X86_XSTATE = 0x202 };

/* More than any processor's XSAVE area; its size is known after the first reading, and what lies behind the part:
   nothing, see above. */
static unsigned char whole[65536];
static unsigned long size;

/*
 * What the kernel was last told of a process's registers, until it lets the process go on. It writes them before every
 * return to the process, nearly always as it just read them, and to write 11 kB for nothing each time makes guests
 * several times slower.
 */
enum { REMEMBERED = 64, PART = 4096 };
static struct known {
    long process;
    unsigned long length;
    unsigned char bytes[PART];
} remembered[REMEMBERED];

static struct known *place_of(long process)
{
    return &remembered[process % REMEMBERED];
}

static void remember(long process, const struct iovec *part)
{
    struct known *place = place_of(process);
    place->process = 0;
    if (part->length > PART)
        return;
    memcpy(place->bytes, part->base, part->length);
    place->length = part->length;
    place->process = process;
}

static int is_known(long process, const struct iovec *part)
{
    const struct known *place = place_of(process);
    return place->process == process && place->length == part->length
        && memcmp(place->bytes, part->base, part->length) == 0;
}

static void forget(long process)
{
    struct known *place = place_of(process);
    if (place->process == process)
        place->process = 0;
}

static long get_xstate(long process, struct iovec *part)
{
    long result = syscall(SYS_ptrace, GETREGSET, process, NT_X86_XSTATE, part);
    if (result == 0)
        remember(process, part);
    return result;
}

static long set_xstate(long process, const struct iovec *part)
{
    struct iovec all = { whole, sizeof whole };
    long result;
    if (is_known(process, part))
        return 0;
    if (size == 0) {
        if (syscall(SYS_ptrace, GETREGSET, process, NT_X86_XSTATE, &all) != 0)
            return -1;
        size = all.length;
    }
    all.length = size;
    memcpy(whole, part->base, part->length < size ? part->length : size);
    result = syscall(SYS_ptrace, SETREGSET, process, NT_X86_XSTATE, &all);
    if (result == 0)
        remember(process, part);
    return result;
}

/* As ptrace(2) of the C library, where a peek is the result and not written to the last argument. */
long ptrace(long request, long process, void *address, void *data)
{
    long word, result;
    if (request == GETREGSET && (long)address == NT_X86_XSTATE)
        return get_xstate(process, data);
    if (request == SETREGSET && (long)address == NT_X86_XSTATE)
        return set_xstate(process, data);
    if (request > PEEKUSER && request != GETREGS && request != SETREGS)
        forget(process);
    if (request < PEEKTEXT || request > PEEKUSER)
        return syscall(SYS_ptrace, request, process, address, data);
    result = syscall(SYS_ptrace, request, process, address, &word);
    return result < 0 ? result : word;
}
