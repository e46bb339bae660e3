"""musl_program(): a C program against musl, static or dynamic, as Debian's musl-gcc makes it."""

def _musl_program_impl(ctx):
    output = ctx.actions.declare_file(ctx.label.name)
    args = ctx.actions.args()
    args.add_all(["-std=gnu17", "-g", "-O2", "-Wall", "-Wextra", "-Werror", "-I."])
    args.add("-static" if ctx.attr.static else "-pie")
    if not ctx.attr.static:
        args.add("-fPIE")
    args.add_all(ctx.attr.copts)
    args.add_all([file for file in ctx.files.srcs if file.extension != "h"])
    args.add("-o", output)
    args.add_all(ctx.attr.linkopts)
    ctx.actions.run(
        executable = "/usr/bin/musl-gcc",
        arguments = [args],
        inputs = ctx.files.srcs,
        outputs = [output],
        env = {"PATH": "/usr/bin:/bin"},
        mnemonic = "MuslGcc",
        progress_message = "Building %s with musl" % ctx.label,
    )
    return [DefaultInfo(
        executable = output,
        files = depset([output]),
        runfiles = ctx.runfiles([output]),
    )]

musl_program = rule(
    implementation = _musl_program_impl,
    attrs = {
        "srcs": attr.label_list(allow_files = [".c", ".h"], mandatory = True),
        "static": attr.bool(default = True),
        "copts": attr.string_list(),
        "linkopts": attr.string_list(),
    },
    executable = True,
    doc = "A C program linked with musl: for the guest, and natively for comparison.",
)
