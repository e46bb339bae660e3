"""kernel_image(): one static position-independent ELF file out of plain cc_library targets.

The libraries are reached through a transition to cpu `narwhal`, so that the same cc_library is compiled for the host
where a unit test asks for it, and for the kernel where an image does.
"""

load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

def _kernel_transition_impl(settings, attr):
    return {
        "//command_line_option:cpu": "narwhal",
        "//command_line_option:features": [],
        "//command_line_option:copt": [],
    }

kernel_transition = transition(
    implementation = _kernel_transition_impl,
    inputs = [],
    outputs = [
        "//command_line_option:cpu",
        "//command_line_option:features",
        "//command_line_option:copt",
    ],
)

_LINK_FLAGS = [
    "-m",
    "elf_x86_64",
    "-static",
    "-pie",
    "--no-dynamic-linker",
    "-nostdlib",
    "--gc-sections",
    "--icf=none",
    "-z",
    "max-page-size=4096",
    "-z",
    "norelro",
    "-z",
    "nognustack",
    "-z",
    "text",
    "--fatal-warnings",
    "--orphan-handling=error",
    "--no-undefined",
    "--build-id=sha1",
    "--color-diagnostics=always",
]

def _kernel_image_impl(ctx):
    cc_toolchain = find_cpp_toolchain(ctx)

    objects = []
    archives = []
    whole_archives = []
    more_flags = []
    more_inputs = []
    for dep in ctx.attr.deps:
        for linker_input in dep[CcInfo].linking_context.linker_inputs.to_list():
            more_flags += linker_input.user_link_flags
            more_inputs += linker_input.additional_inputs
            for library in linker_input.libraries:
                archive = library.static_library or library.pic_static_library
                if not archive:
                    fail("%s: no static library for the kernel" % linker_input.owner)
                if library.alwayslink:
                    whole_archives.append(archive)
                else:
                    archives.append(archive)

    args = ctx.actions.args()
    args.add_all(_LINK_FLAGS)
    args.add("-T", ctx.file.linker_script)
    args.add("--whole-archive")
    args.add_all(whole_archives)
    args.add("--no-whole-archive")
    args.add_all(archives)
    args.add_all(more_flags)
    args.add("-o", ctx.outputs.debug)
    args.add("-Map", ctx.outputs.map)
    ctx.actions.run(
        executable = cc_toolchain.ld_executable,
        arguments = [args],
        inputs = objects + archives + whole_archives + more_inputs + [ctx.file.linker_script],
        outputs = [ctx.outputs.debug, ctx.outputs.map],
        mnemonic = "KernelLink",
        progress_message = "Linking the kernel %s" % ctx.outputs.debug.short_path,
    )

    strip = ctx.actions.args()
    strip.add("--strip-debug")
    strip.add(ctx.outputs.debug)
    strip.add(ctx.outputs.elf)
    ctx.actions.run(
        executable = cc_toolchain.objcopy_executable,
        arguments = [strip],
        inputs = [ctx.outputs.debug],
        outputs = [ctx.outputs.elf],
        mnemonic = "KernelStrip",
        progress_message = "Stripping the kernel %s" % ctx.outputs.elf.short_path,
    )
    return [DefaultInfo(
        files = depset([ctx.outputs.elf]),
        runfiles = ctx.runfiles([ctx.outputs.elf]),
    )]

kernel_image = rule(
    implementation = _kernel_image_impl,
    attrs = {
        "deps": attr.label_list(
            providers = [CcInfo],
            cfg = kernel_transition,
            doc = "The libraries that make the kernel; one of them holds the linker script's entry point.",
        ),
        "linker_script": attr.label(
            allow_single_file = [".ld"],
            mandatory = True,
        ),
        # The link reads the tools' paths from the toolchain; they are the same for both configurations.
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
    outputs = {
        "elf": "%{name}.elf",
        "debug": "%{name}.debug",
        "map": "%{name}.map",
    },
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
    doc = """Links a kernel image.

Outputs: NAME.elf (what boots), NAME.debug (the same with DWARF, for gdb), NAME.map (what went where).""",
)
