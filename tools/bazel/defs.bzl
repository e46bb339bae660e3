"""What BUILD files here load: tests, programs for the host and for the guest, and the kernel-only mark."""

load(":fuzz_test.bzl", _narwhal_fuzz_test = "narwhal_fuzz_test")
load(":kernel_image.bzl", _kernel_image = "kernel_image")
load(":musl_program.bzl", _musl_program = "musl_program")

kernel_image = _kernel_image
musl_program = _musl_program
narwhal_fuzz_test = _narwhal_fuzz_test

# target_compatible_with for a library that only makes sense inside the kernel (control registers, entry code):
# `bazel build //...` then skips it for the host.
KERNEL_ONLY = select({
    "//tools/bazel:kernel": [],
    "//conditions:default": ["//tools/bazel:kernel_only"],
})

def narwhal_test(name, deps = [], size = "small", **kwargs):
    """A host unit test with GoogleTest, under AddressSanitizer and UndefinedBehaviorSanitizer."""
    native.cc_test(
        name = name,
        size = size,
        deps = deps + ["//third_party/googletest"],
        **kwargs
    )

def _plain_transition_impl(settings, attr):
    return {"//command_line_option:features": []}

_plain_transition = transition(
    implementation = _plain_transition_impl,
    inputs = [],
    outputs = ["//command_line_option:features"],
)

def _plain_program_impl(ctx):
    # With a transition, an attribute holds a list, even where its type is a single label.
    program = ctx.attr.program[0][DefaultInfo]
    output = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(
        output = output,
        target_file = program.files_to_run.executable,
        is_executable = True,
    )
    return [DefaultInfo(
        executable = output,
        files = depset([output]),
        runfiles = ctx.runfiles([output]).merge(program.default_runfiles),
    )]

_plain_program = rule(
    implementation = _plain_program_impl,
    attrs = {
        "program": attr.label(
            cfg = _plain_transition,
            executable = True,
            mandatory = True,
        ),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
    executable = True,
    doc = "PROGRAM, built without sanitizers together with everything that it links.",
)

def _program(name, visibility, testonly, **kwargs):
    native.cc_binary(
        name = name + "_program",
        testonly = testonly,
        # Only ever wanted through the rule below.
        tags = ["manual"],
        visibility = ["//visibility:private"],
        **kwargs
    )
    _plain_program(
        name = name,
        program = ":" + name + "_program",
        testonly = testonly,
        visibility = visibility,
    )

def host_program(name, visibility = None, testonly = False, **kwargs):
    """A program for the host that people run, so without sanitizers. Takes what cc_binary takes."""
    _program(name, visibility, testonly, **kwargs)

def guest_program(name, visibility = None, testonly = True, static = False, features = [], **kwargs):
    """A Linux program that is run natively and in the guest, so without sanitizers.

    static: link it with no shared library at all, libc included.
    """
    _program(
        name,
        visibility,
        testonly,
        features = features + (["fully_static_link"] if static else []),
        linkstatic = True,
        **kwargs
    )
