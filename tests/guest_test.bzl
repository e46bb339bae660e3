"""guest_test(): a Python program that starts guests through tests/guest.py."""

_NARWHAL = "//tools/narwhal:narwhal"
_KERNEL = "//kernel/init:narwhal"
_PROCESS_KERNEL = "//kernel/init:narwhal_process"

def guest_test(name, srcs = None, vm = True, **kwargs):
    """NAME.py, run by the machine's own python3 with $NARWHAL and the kernel's variable set, once in each home.

    NAME has the kernel in a virtual machine, NAME_process as a Linux process, NAME_process2 likewise with two processors.
    vm = False: the test is about the process home only, and is NAME and NAME2.

    programs: targets of programs that the test wants, by the names of the environment variables that tell their paths.
    """
    srcs = srcs or [name + ".py"]
    if vm:
        _guest_test(name, srcs, {"NARWHAL_KERNEL": _KERNEL}, "vm", **kwargs)
    process = name + "_process" if vm else name
    _one_and_two_processors(process, srcs, {"NARWHAL_PROCESS_KERNEL": _PROCESS_KERNEL}, "process", **kwargs)

def homes_test(name, **kwargs):
    """NAME.py, which starts guests in both homes itself: $NARWHAL_KERNEL and $NARWHAL_PROCESS_KERNEL are set.

    NAME2 gives them two processors.
    """
    kernels = {"NARWHAL_KERNEL": _KERNEL, "NARWHAL_PROCESS_KERNEL": _PROCESS_KERNEL}
    _one_and_two_processors(name, [name + ".py"], kernels, "", **kwargs)

def _one_and_two_processors(name, srcs, kernel, platform, **kwargs):
    _guest_test(name, srcs, kernel, platform, **kwargs)
    _guest_test(name + "2", srcs, kernel, platform, env = {"NARWHAL_CPUS": "2"}, **kwargs)

def _guest_test(name, srcs, kernel, platform, data = [], programs = {}, size = "medium", tags = [], env = {}, **kwargs):
    programs = dict(programs, **kernel)
    native.sh_test(
        name = name,
        size = size,
        srcs = srcs,
        data = data + programs.values() + [
            "//tests:driver",
            _NARWHAL,
        ],
        env = dict(
            dict(env, **{variable: "$(rootpath %s)" % target for variable, target in programs.items()}),
            NARWHAL = "$(rootpath %s)" % _NARWHAL,
            NARWHAL_PLATFORM = platform,
            PYTHONDONTWRITEBYTECODE = "1",
            PYTHONPATH = ".",
        ),
        # The sandbox changes the owners of the files that go into the guest.
        tags = ["guest", "no-sandbox"] + (["process_home"] if platform != "vm" else []) + tags,
        **kwargs
    )
