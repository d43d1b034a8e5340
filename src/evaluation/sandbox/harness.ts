/**
 * The two Python programs around a program that is not to be trusted. The first takes powers away (limits, system calls) and
 * becomes the second, which runs the program and lets go of the secret only behind its end.
 *
 * The secret is held by an audit hook: no frame, no traceback and no collector that the program can reach leads to it. The hook
 * gives it out to the harness' own frame alone, and that frame asks only where the program ended without an exception.
 */

/** Arguments: seconds of CPU time, bytes of memory, the folder where the old root still hangs or "", the second program. */
export const CONFINE = String.raw`
import ctypes, os, platform, resource, struct, sys
seconds, memory, old_root, harness = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode(), sys.argv[4]
libc = ctypes.CDLL(None, use_errno=True)
# MNT_DETACH; then MS_REMOUNT | MS_RDONLY.
if old_root and (libc.umount2(old_root, 2) != 0 or libc.mount(None, b'/', None, 33, None) != 0):
    raise OSError(ctypes.get_errno(), 'the old root stays')
for name, most in (('CPU', seconds), ('AS', memory), ('FSIZE', 2 ** 24), ('NOFILE', 64), ('NPROC', 64), ('CORE', 0)):
    limit = getattr(resource, 'RLIMIT_' + name)
    hard = resource.getrlimit(limit)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(limit, (most, most))
def prctl(*args):
    if libc.prctl(*(ctypes.c_ulong(arg) if isinstance(arg, int) else arg for arg in args)) != 0:
        raise OSError(ctypes.get_errno(), 'prctl')
prctl(38, 1, 0, 0, 0)
NAMES = '''fork vfork socket socketpair connect bind ptrace process_vm_readv process_vm_writev kcmp unshare setns mount umount2
pivot_root chroot mknod mknodat open_by_handle_at bpf perf_event_open keyctl add_key request_key io_uring_setup userfaultfd
open_tree move_mount fsopen fsmount mount_setattr setitimer timer_create alarm kill tkill
pidfd_open pidfd_getfd pidfd_send_signal personality'''.split()
X86 = dict(clone=56, clone3=435, fork=57, vfork=58, socket=41, socketpair=53, connect=42, bind=49, ptrace=101,
    process_vm_readv=310, process_vm_writev=311, kcmp=312, unshare=272, setns=308, mount=165, umount2=166, pivot_root=155,
    chroot=161, mknod=133, mknodat=259, open_by_handle_at=304, bpf=321, perf_event_open=298, keyctl=250, add_key=248,
    request_key=249, io_uring_setup=425, userfaultfd=323, open_tree=428, move_mount=429, fsopen=430, fsmount=432,
    mount_setattr=442, setitimer=38, timer_create=222, alarm=37, kill=62, tkill=200, pidfd_open=434, pidfd_getfd=438,
    pidfd_send_signal=424, personality=135)
ARM = dict(clone=220, clone3=435, socket=198, socketpair=199, connect=203, bind=200, ptrace=117, process_vm_readv=270,
    process_vm_writev=271, kcmp=272, unshare=97, setns=268, mount=40, umount2=39, pivot_root=41, chroot=51, mknodat=33,
    open_by_handle_at=265, bpf=280, perf_event_open=241, keyctl=219, add_key=217, request_key=218, io_uring_setup=425,
    userfaultfd=282, open_tree=428, move_mount=429, fsopen=430, fsmount=432, mount_setattr=442, setitimer=103,
    timer_create=107, kill=129, tkill=130, pidfd_open=434, pidfd_getfd=438, pidfd_send_signal=424, personality=92)
machine = platform.machine()
known = {'x86_64': (0xC000003E, X86), 'aarch64': (0xC00000B7, ARM)}.get(machine)
if known is not None:
    arch, numbers = known
    ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x50001, 0x50026, 0x80000000
    def op(code, k, yes=0, no=0):
        return struct.pack('HBBI', code, yes, no, k)
    # Another architecture's calls have other numbers: the process ends. On x86-64 the x32 numbers are refused.
    code = [op(0x20, 4), op(0x15, arch, 1, 0), op(0x06, KILL), op(0x20, 0), op(0x35, 0x40000000, 0, 1), op(0x06, EPERM)]
    for number in sorted(numbers[name] for name in NAMES if name in numbers):
        code += [op(0x15, number, 0, 1), op(0x06, EPERM)]
    code += [op(0x15, numbers['clone3'], 0, 1), op(0x06, ENOSYS)]
    # clone makes threads (CLONE_THREAD) and no processes.
    code += [op(0x15, numbers['clone'], 0, 4), op(0x20, 16), op(0x45, 0x10000, 0, 1), op(0x06, ALLOW), op(0x06, EPERM)]
    code += [op(0x06, ALLOW)]
    text = ctypes.create_string_buffer(b''.join(code))
    class Filter(ctypes.Structure):
        _fields_ = [('length', ctypes.c_ushort), ('code', ctypes.c_void_p)]
    program = Filter(len(code), ctypes.cast(text, ctypes.c_void_p))
    prctl(22, 2, ctypes.byref(program))
for path in ('/home', '/root/.bashrc', '/etc/passwd', old_root + b'/usr'):
    if sys.argv[5:] and os.path.exists(path):
        raise OSError('the machine can be seen')
os.execv(sys.executable, [sys.executable, '-I', '-X', 'utf8', '-c', harness])
`;

/** Reads {"program", "secret"} from stdin; tells on descriptor 3 that it begins, and what became of it. */
export const HARNESS = String.raw`
import sys
def confine():
    import builtins, io, json, os
    tell, leave = os.write, os._exit
    request = json.loads(sys.stdin.buffer.read())
    secret = request.pop('secret').encode()
    code = request.pop('program')
    audit, frame_at = sys.audit, sys._getframe
    owner = frame_at(1)
    blocked = {'gc.get_objects', 'gc.get_referrers', 'gc.get_referents', 'sys._current_frames',
        'sys._current_exceptions', 'sys.settrace', 'sys.setprofile', 'sys.monitoring.register_callback', 'os.kill',
        'os.killpg', 'os.fork', 'os.forkpty', 'os.posix_spawn', 'os.exec', 'os.system', 'subprocess.Popen',
        'signal.pthread_kill', 'cpython.run_interactivehook'}
    def refuse(event, args, blocked=frozenset(blocked)):
        if event in blocked or event.startswith('ctypes.') or event.startswith('socket.'):
            raise RuntimeError('not allowed here: ' + event)
        if event == 'import' and args[0] in ('_ctypes', '_testcapi', '_testinternalcapi', '_xxsubinterpreters',
                '_interpreters'):
            raise ImportError('not allowed here: ' + args[0])
    def give(event, args, owner=owner, frame_at=frame_at):
        if event == 'xinghe.end' and frame_at(1) is owner:
            tell(3, secret)
    sys.addaudithook(refuse)
    sys.addaudithook(give)
    give = refuse = request = owner = None
    class Silent(io.StringIO):
        def read(self, *args):
            raise OSError('there is no input')
        readline = readlines = read
        def readable(self):
            return False
        def write(self, text):
            return len(text)
    null = os.open('/dev/null', os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    sys.stdin, sys.stdout, sys.stderr = Silent(), Silent(), Silent()
    builtins.exit = builtins.quit = builtins.help = None
    names = '''kill system putenv remove removedirs rmdir fchdir setuid fork forkpty killpg rename renames truncate replace
        unlink fchmod fchown chmod chown chroot lchflags lchmod lchown getcwd chdir'''
    import shutil, subprocess
    for name in names.split():
        setattr(os, name, None)
    for name in ('rmtree', 'move', 'chown'):
        setattr(shutil, name, None)
    subprocess.Popen = None
    for name in ('ipdb', 'joblib', 'resource', 'psutil', 'tkinter'):
        sys.modules[name] = None
    sys.setrecursionlimit(1000)
    tell(3, b'ready\n')
    return code, audit, tell, leave
code, audit, tell, leave = confine()
try:
    exec(code, {})
except BaseException as error:
    tell(3, ('failed: ' + type(error).__name__ + '\n').encode())
    leave(1)
else:
    audit('xinghe.end')
    leave(0)
`;
