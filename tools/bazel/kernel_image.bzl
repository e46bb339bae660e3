"""kernel_image(): one static position-independent ELF file out of plain cc_library targets.

The libraries are reached through a transition to cpu `narwhal`, so that the same cc_library is compiled for the host
where a unit test asks for it, and for the kernel where an image does.
"""

load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

def _kernel_transition_impl(settings, attr):
    return {
        "//command_line_option:cpu": "narwhal",
        "//command_line_option:features": [],
        # What the platform's headers say inline differs between the homes.
        "//command_line_option:copt": ["-DNARWHAL_HOME_PROCESS"] if attr.home == "process" else [],
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
    "--pack-dyn-relocs=relr",
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

def _link(ctx, linker, inputs, arguments, output, link_map):
    args = ctx.actions.args()
    args.add_all(_LINK_FLAGS)
    args.add("-T", ctx.file.linker_script)
    args.add_all(arguments)
    args.add("-o", output)
    args.add("-Map", link_map)
    ctx.actions.run(
        executable = linker,
        arguments = [args],
        inputs = inputs + [ctx.file.linker_script],
        outputs = [output, link_map],
        mnemonic = "KernelLink",
        progress_message = "Linking the kernel %s" % output.short_path,
    )

def _kernel_image_impl(ctx):
    cc_toolchain = find_cpp_toolchain(ctx)

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

    linker = cc_toolchain.ld_executable
    inputs = archives + whole_archives + more_inputs
    arguments = ["--whole-archive"] + whole_archives + ["--no-whole-archive"] + archives + more_flags

    # First without the table of function names, to learn where the functions are; it comes last, so nothing moves.
    first = ctx.actions.declare_file(ctx.label.name + ".first")
    first_map = ctx.actions.declare_file(ctx.label.name + ".first.map")
    _link(ctx, linker, inputs, arguments, first, first_map)

    table = ctx.actions.declare_file(ctx.label.name + ".symbols")
    ctx.actions.run(
        executable = ctx.executable._symbol_table_writer,
        arguments = [first.path, table.path],
        inputs = [first],
        outputs = [table],
        mnemonic = "KernelSymbols",
        progress_message = "Naming the functions of %s" % ctx.label,
    )
    table_object = ctx.actions.declare_file(ctx.label.name + ".symbols.o")
    ctx.actions.run(
        executable = cc_toolchain.objcopy_executable,
        arguments = [
            "--input-target=binary",
            "--output-target=elf64-x86-64",
            "--rename-section=.data=.symbols,alloc,readonly,data,contents",
            table.path,
            table_object.path,
        ],
        inputs = [table],
        outputs = [table_object],
        mnemonic = "KernelSymbolsObject",
        progress_message = "Wrapping the function names of %s" % ctx.label,
    )
    _link(
        ctx,
        linker,
        inputs + [table_object],
        arguments + [table_object],
        ctx.outputs.debug,
        ctx.outputs.map,
    )

    # The dynamic symbol table stays: it belongs to a loaded segment.
    ctx.actions.run(
        executable = cc_toolchain.objcopy_executable,
        # Debuggers look for the name beside the image.
        arguments = ["--strip-all", "--add-gnu-debuglink=" + ctx.outputs.debug.path, ctx.outputs.debug.path, ctx.outputs.elf.path],
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
        "home": attr.string(
            default = "vm",
            values = ["vm", "process"],
            doc = "The home that deps bring: what the libraries are compiled for.",
        ),
        "linker_script": attr.label(
            allow_single_file = [".ld"],
            mandatory = True,
        ),
        "_symbol_table_writer": attr.label(
            default = "//tools/image:symbol_table_writer",
            cfg = "exec",
            executable = True,
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
