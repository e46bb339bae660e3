"""compat_test(): one family of conformance checks, as a program and as the tests that run it."""

load("//tools/bazel:defs.bzl", "guest_program")

_NARWHAL = "//tools/narwhal:narwhal"
_KERNEL = "//kernel/init:narwhal"
_PROCESS_KERNEL = "//kernel/init:narwhal_process"

def run_compat_tests(name, program, guest_tags = [], args = [], caught = False, two_processors = False):
    """NAME_native, NAME_guest, NAME_process and NAME_process2 for a program that prints what GoogleTest prints.

    NAME_guest runs it in a virtual machine, NAME_process in the kernel as a Linux process, NAME_process2 likewise with
    two processors.

    two_processors: NAME_guest2 as well, a virtual machine with two processors. For what threads and processes do to each
    other; emulated, they take their time.

    caught: NAME_process_caught as well, in the kernel as a Linux process that rewrites no system calls.

    guest_tags: "manual" keeps a program out of `bazel test //...` whose guest run is known to disagree.
    """
    native.sh_test(
        name = name + "_native",
        size = "medium",
        srcs = ["//compat_tests:run_compat"],
        args = ["--only", "native", "--program", "$(rootpath %s)" % program],
        data = [program],
        # The sandbox takes away users, devices and parts of /proc that the checks are about.
        tags = ["no-sandbox"],
    )

    homes = [
        ("_guest", _KERNEL, ["--platform=vm"]),
        ("_process", _PROCESS_KERNEL, ["--platform=process"]),
        ("_process2", _PROCESS_KERNEL, ["--platform=process", "--cpus=2"]),
    ]
    if two_processors:
        homes.append(("_guest2", _KERNEL, ["--platform=vm", "--cpus=2"]))
    if caught:
        homes.append(("_process_caught", _PROCESS_KERNEL, ["--platform=process", "--no-rewrite"]))
    for suffix, kernel, options in homes:
        native.sh_test(
            name = name + suffix,
            size = "large",
            srcs = ["//compat_tests:run_compat"],
            args = [
                "--program",
                "$(rootpath %s)" % program,
                "--narwhal",
                "$(rootpath %s)" % _NARWHAL,
                "--kernel",
                "$(rootpath %s)" % kernel,
            ] + ["--narwhal-option=" + option for option in options] + args,
            data = [program, kernel, _NARWHAL],
            tags = ["guest", "no-sandbox"] + (["process_home"] if kernel == _PROCESS_KERNEL else []) + guest_tags,
        )

def compat_test(name, srcs, linkage = "static", deps = [], guest_tags = [], args = [], caught = False, two_processors = False, **kwargs):
    """A GoogleTest program without sanitizers, and what run_compat_tests makes to run it.

    linkage: "static", "static-pie" or "dynamic".
    """
    if linkage not in ("static", "static-pie", "dynamic"):
        fail("no such linkage: " + linkage)
    guest_program(
        name = name,
        srcs = srcs,
        static = linkage == "static",
        # The toolchain's own -pie means nothing beside -static-pie, which the compiler need not tell.
        linkopts = kwargs.pop("linkopts", []) + (
            ["-static-pie", "-Wno-unused-command-line-argument"] if linkage == "static-pie" else []
        ),
        deps = deps + [
            "//compat_tests/common",
            "//third_party/googletest:static",
        ],
        **kwargs
    )
    run_compat_tests(name, ":" + name, guest_tags, args, caught, two_processors)
