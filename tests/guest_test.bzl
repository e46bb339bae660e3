"""guest_test(): a Python program that starts guests through tests/guest.py."""

_NARWHAL = "//tools/narwhal:narwhal"
_KERNEL = "//kernel/init:narwhal"

def guest_test(name, srcs = None, data = [], programs = {}, size = "medium", tags = [], **kwargs):
    """NAME.py, run by the machine's own python3 with $NARWHAL and $NARWHAL_KERNEL set.

    programs: targets of programs that the test wants, by the names of the environment variables that tell their paths.
    """
    native.sh_test(
        name = name,
        size = size,
        srcs = srcs or [name + ".py"],
        data = data + programs.values() + [
            "//tests:driver",
            _KERNEL,
            _NARWHAL,
        ],
        env = dict(
            {variable: "$(rootpath %s)" % target for variable, target in programs.items()},
            NARWHAL = "$(rootpath %s)" % _NARWHAL,
            NARWHAL_KERNEL = "$(rootpath %s)" % _KERNEL,
            PYTHONDONTWRITEBYTECODE = "1",
            PYTHONPATH = ".",
        ),
        # The sandbox changes the owners of the files that go into the guest.
        tags = ["guest", "no-sandbox"] + tags,
        **kwargs
    )
