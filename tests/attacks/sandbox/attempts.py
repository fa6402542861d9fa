"""What the code of a submission tries: one cell for each attack. It prints IN when it succeeds.

``T`` is :meth:`tests.attacks.sandbox.course.Course.targets`; :data:`FIRST` defines the rest.
"""

FIRST = """
import ctypes, fcntl, glob, os, resource, signal, socket, stat, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)

def attempt(*functions):
    for function in functions:
        try:
            worked = function()
        except BaseException as error:
            print(type(error).__name__, error)
        else:
            print("IN" if worked is not False else "no")

def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))

def pong(one):
    one.settimeout(2)
    return one.recv(10) == b"pong"
"""

ATTEMPTS = {
    "sandbox-read-gradebook": """
attempt(
    lambda: open(T["gradebook"], "rb").read(),
    lambda: open("../../../gradebook.db", "rb").read(),
    lambda: os.open(T["gradebook"], os.O_RDONLY),
    lambda: "gradebook.db" in os.listdir(T["course"]),
)
""",
    "sandbox-read-by-link": """
def follow(make, name):
    make(T["gradebook"], name)
    return open(name, "rb").read()
attempt(
    lambda: follow(os.symlink, "by-symlink"),
    lambda: follow(os.link, "by-link"),
    lambda: follow(os.rename, "by-name"),
)
""",
    "sandbox-read-by-proc": """
pids = ["self", os.getppid(), T["victim"], 1, 2]
attempt(*[
    lambda path=path: open(path, "rb").read()
    for pid in pids
    for path in (f"/proc/{pid}/root{T['gradebook']}", f"/proc/{pid}/cwd/course/gradebook.db")
])
for pid in glob.glob("/proc/[0-9]*"):
    for path in glob.glob(pid + "/fd/*"):
        try:
            content = os.pread(os.open(path, os.O_RDONLY | os.O_NONBLOCK), 15, 0)
        except OSError:
            continue
        if content.startswith(b"SQLite"):
            print("IN", path)
""",
    "sandbox-inherited-descriptor": """
for descriptor in range(3, 2000):
    try:
        if os.pread(descriptor, 15, 0).startswith(b"SQLite"):
            print("IN", descriptor)
    except OSError:
        pass
""",
    "sandbox-environment": """
if T["secret"] in os.environ.values():
    print("IN")
for path in glob.glob("/proc/*/environ") + [f"/proc/{os.getppid()}/environ"]:
    attempt(lambda: T["secret"].encode() in open(path, "rb").read())
""",
    "sandbox-read-others": """
attempt(
    lambda: open(T["other"]).read(),
    lambda: os.listdir(T["course"] + "/submitted"),
    lambda: os.listdir(T["course"] + "/submitted/eve/ps1"),
    lambda: os.listdir(T["course"] + "/source/ps1"),
    lambda: "bob" in os.listdir("../.."),
    lambda: os.listdir("../../bob/ps1"),
)
""",
    "sandbox-write-outside": """
attempt(
    lambda: open(T["other"], "a").write("changed"),
    lambda: open(T["course"] + "/planted", "w"),
    lambda: open(T["course"] + "/release/ps1/planted", "w"),
    lambda: open(T["private"] + "/planted", "w"),
    lambda: os.mkdir(T["course"] + "/submitted/ada"),
    lambda: os.rename("data.csv", T["course"] + "/planted"),
    lambda: os.link("data.csv", T["course"] + "/planted"),
)
""",
    "sandbox-change-gradebook": """
path = T["gradebook"]
def effect(function):
    before = os.stat(path)
    function()
    after = os.stat(path)
    fields = ("st_mode", "st_uid", "st_size", "st_mtime_ns", "st_ino")
    return any(getattr(before, one) != getattr(after, one) for one in fields)
attempt(*[lambda one=one: effect(one) for one in (
    lambda: os.chmod(path, 0),
    lambda: os.chmod(path, 0o666),
    lambda: os.chown(path, 65534, 65534),
    lambda: os.utime(path, (1, 1)),
    lambda: os.truncate(path, 1),
    lambda: open(path, "r+"),
    lambda: open(path, "w"),
    lambda: os.rename(path, path + ".old"),
)])
attempt(
    lambda: os.setxattr(path, "user.planted", b"1"),
    lambda: os.rename(T["course"] + "/source", T["course"] + "/gone"),
    lambda: os.rmdir(T["course"] + "/submitted/eve/ps1"),
    lambda: os.unlink(T["other"]),
    lambda: os.unlink(path),
)
""",
    "sandbox-exchange": """
attempt(
    lambda: os.listdir(T["exchange"] + "/inbound"),
    lambda: open(T["exchange"] + "/inbound/eve+ps1").read(),
    lambda: open(T["exchange"] + "/inbound/planted", "w"),
)
""",
    "sandbox-connect": """
def connect(name, family, kind):
    address = T["addresses"][name]
    with socket.socket(family, kind) as one:
        one.connect(tuple(address) if isinstance(address, list) else address)
        one.send(b"ping")
        return pong(one)
attempt(
    lambda: connect("tcp", socket.AF_INET, socket.SOCK_STREAM),
    lambda: connect("udp", socket.AF_INET, socket.SOCK_DGRAM),
    lambda: connect("abstract", socket.AF_UNIX, socket.SOCK_STREAM),
)
def without_connection():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"ping", tuple(T["addresses"]["udp"]))
        return pong(one)
attempt(without_connection)
""",
    "sandbox-formgraders-socket": """
def connect():
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(T["addresses"]["socket"])
        return pong(one)
def datagram(one):
    one.sendto(b"to the formgrader", T["addresses"]["datagrams"])
attempt(
    connect,
    lambda: datagram(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)),
    lambda: datagram(socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0]),
    lambda: os.unlink(T["addresses"]["socket"]),
)
""",
    "sandbox-see-processes": """
def seen():
    found = False
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            found |= b"sleep" in open(path, "rb").read()
        except OSError:
            pass
    return found
attempt(seen, lambda: open(f"/proc/{T['victim']}/status").read())
""",
    "sandbox-signal": """
victim = T["victim"]
def by_descriptor():
    signal.pidfd_send_signal(os.pidfd_open(victim), signal.SIGCONT)
def by_owner():
    reading, writing = os.pipe()
    fcntl.fcntl(reading, 15, __import__("struct").pack("ii", 1, victim))  # F_SETOWN_EX
    return fcntl.fcntl(reading, fcntl.F_GETOWN) == victim
attempt(
    lambda: os.kill(victim, signal.SIGCONT),
    lambda: os.kill(victim, 0),
    lambda: call("tgkill", victim, victim, int(signal.SIGCONT)),
    by_descriptor,
    by_owner,
)
""",
    "sandbox-trace": """
victim = T["victim"]
def limits():
    before = resource.prlimit(victim, resource.RLIMIT_CORE)
    resource.prlimit(victim, resource.RLIMIT_CORE, (0, 0))
def priority():
    os.setpriority(os.PRIO_PROCESS, victim, 7)
    return os.getpriority(os.PRIO_PROCESS, victim) == 7
def cores():
    os.sched_setaffinity(victim, {0})
    return os.sched_getaffinity(victim) == {0}
attempt(
    lambda: call("ptrace", 0x4206, victim, 0, 0),  # PTRACE_SEIZE
    lambda: open(f"/proc/{victim}/mem", "rb"),
    lambda: open(f"/proc/{victim}/maps").read(),
    lambda: os.readlink(f"/proc/{victim}/exe"),
    limits,
    priority,
    cores,
)
""",
    "sandbox-shared-memory": """
attempt(
    lambda: open(T["shared"]).read(),
    lambda: call("shmget", 0, 4096, 0o1600),
    lambda: call("msgget", 0, 0o1600),
)
""",
    "sandbox-namespaces": """
def in_child(function):
    child = os.fork()
    if not child:
        try:
            function()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0
def allowed(name, *arguments):
    # Fails in any case, but for another reason where it is allowed.
    try:
        call(name, *arguments)
    except OSError as error:
        return error.errno not in (1, 38)  # EPERM, ENOSYS
attempt(
    lambda: in_child(lambda: call("unshare", 0x10000000)),
    lambda: in_child(lambda: call("unshare", 0x00020000)),
    lambda: subprocess.run(["unshare", "--user", "--map-root-user", "true"], check=True),
    lambda: allowed("mount", b"none", b"/nonexistent", b"tmpfs", 0, None),
    lambda: allowed("chroot", b"/nonexistent"),
    lambda: allowed("setns", -1, 0),
)
""",
    "sandbox-devices": """
def block_device():
    for path in glob.glob("/dev/*"):
        if stat.S_ISBLK(os.stat(path).st_mode):
            os.open(path, os.O_RDONLY)
            return True
    return False
attempt(
    block_device,
    lambda: open("/dev/kmsg", "rb"),
    lambda: open("/dev/mem", "rb"),
    lambda: os.mknod("device", stat.S_IFBLK | 0o600, os.makedev(254, 0)),
)
""",
    "sandbox-system-settings": """
attempt(
    lambda: open("/proc/sys/kernel/core_pattern", "r+"),
    lambda: open("/proc/sysrq-trigger", "w"),
    *[lambda path=path: open(path, "r+") for path in glob.glob("/sys/fs/cgroup/*/release_agent")],
    *[lambda path=path: open(path, "r+") for path in glob.glob("/sys/fs/cgroup/*/cgroup.procs")],
    lambda: os.mkdir("/sys/fs/cgroup/unified/planted-by-a-test") or os.rmdir(
        "/sys/fs/cgroup/unified/planted-by-a-test"
    ),
)
""",
    "sandbox-raise-limits": """
def raised(which):
    soft, hard = resource.getrlimit(which)
    if hard == resource.RLIM_INFINITY:
        return True
    resource.setrlimit(which, (hard + 1, hard + 1))
attempt(*[lambda one=one: raised(one) for one in (
    resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE,
    resource.RLIMIT_DATA,
)])
""",
    "sandbox-leave-link": """
def keep(function, *arguments):
    function(*arguments)
attempt(
    lambda: os.symlink("/etc/passwd", "left-symlink"),
    lambda: os.symlink(T["gradebook"], "left-gradebook"),
    lambda: os.symlink("..", "left-folder"),
    lambda: os.mkfifo("left-fifo"),
    lambda: socket.socket(socket.AF_UNIX).bind("left-socket"),
    lambda: open("left\\nname", "w"),
    lambda: open(b"left-\\xff", "w"),
    lambda: [open("left-setuid", "w"), os.chmod("left-setuid", 0o6777)]
    and os.stat("left-setuid").st_mode & stat.S_ISUID != 0,
)
""",
}

#: Starts processes that try to outlive the notebook. Each carries the marker in its command line.
SURVIVE = """
STAY = "import os, signal, sys, time; [signal.signal(one, signal.SIG_IGN) for one in (1, 2, 15)]; "
programs = {
    "sleeps": "time.sleep(300)",
    "leaves": "os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); time.sleep(300)",
    "stops": "os.kill(0, signal.SIGSTOP); time.sleep(300)",
    "hops": "exec('while time.time() < float(sys.argv[2]): os.fork() and os._exit(0)')",
}
for name, program in programs.items():
    subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", STAY + program, T["marker"], str(time.time() + 60)],
        start_new_session=True,
    )
time.sleep(1)
print("started")
"""

#: What ordinary notebooks do.
WORK = """
import json, multiprocessing, pathlib, shutil, sqlite3, ssl, tempfile, threading
print(open(T["course"] + "/release/ps1/data.csv").read())
print(open("data.csv").read())
pathlib.Path("result/deep").mkdir(parents=True)
pathlib.Path("result/deep/file.txt").write_text("kept")
shutil.copy("data.csv", "copy.csv")
shutil.copytree("result", "copied")
os.rename("copy.csv", "moved.csv")
with tempfile.NamedTemporaryFile("w") as file:
    file.write("temporary")
with sqlite3.connect("own.db") as database:
    database.execute("create table t (a)")
ssl.create_default_context()
print(subprocess.run([sys.executable, "-c", "print('child')"], capture_output=True, text=True))
print(subprocess.run("echo shell | tr a-z A-Z", shell=True, capture_output=True, text=True).stdout)
child = subprocess.Popen(["sleep", "100"])
thread = threading.Thread(target=print, args=("thread",)); thread.start(); thread.join()
left, right = socket.socketpair()
left.send(b"pair"); print(right.recv(10))
try:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(pool.map(abs, [-1, -2]))
except PermissionError:
    print("no semaphores")
print("done")
"""
