"""narwhal_fuzz_test(): a libFuzzer target that also runs, for a bounded number of inputs, as a test."""

def _fuzz_transition_impl(settings, attr):
    return {"//command_line_option:features": settings["//command_line_option:features"] + ["fuzz"]}

# The code under test must be compiled for the fuzzer, or it would mutate inputs blindly.
_fuzz_transition = transition(
    implementation = _fuzz_transition_impl,
    inputs = ["//command_line_option:features"],
    outputs = ["//command_line_option:features"],
)

_LAUNCHER = """#!/usr/bin/env bash
# Options given here come after the test's own, and win: `bazel run TARGET -- -runs=-1` goes on until it finds something.
new=$(mktemp -d "${{TEST_TMPDIR:-/tmp}}/corpus.XXXXXX")
exec {program} -seed=1 -runs={runs} -max_len={max_len} -timeout=20 -print_final_stats=0 \\
  -artifact_prefix="${{TEST_UNDECLARED_OUTPUTS_DIR:-$new}}/" "$@" "$new" {corpus}
"""

def _fuzz_test_impl(ctx):
    program = ctx.attr.program[0][DefaultInfo]
    folders = {file.short_path.rpartition("/")[0]: None for file in ctx.files.corpus}
    launcher = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.write(
        output = launcher,
        content = _LAUNCHER.format(
            program = program.files_to_run.executable.short_path,
            runs = ctx.attr.runs,
            max_len = ctx.attr.max_len,
            corpus = " ".join(folders.keys()),
        ),
        is_executable = True,
    )
    runfiles = ctx.runfiles(ctx.files.corpus + [program.files_to_run.executable])
    return [DefaultInfo(
        executable = launcher,
        runfiles = runfiles.merge(program.default_runfiles),
    )]

_fuzz_test = rule(
    implementation = _fuzz_test_impl,
    attrs = {
        "program": attr.label(cfg = _fuzz_transition, executable = True, mandatory = True),
        "corpus": attr.label_list(allow_files = True),
        "runs": attr.int(),
        "max_len": attr.int(),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
    test = True,
)

def narwhal_fuzz_test(name, srcs, deps = [], corpus = [], runs = 20000, max_len = 4096, size = "medium", **kwargs):
    """A fuzzer: srcs define LLVMFuzzerTestOneInput (libFuzzer's documentation).

    As a test it runs `runs` inputs from a fixed seed, starting from the files of `corpus`, under the sanitizers. An
    input that fails is kept among the test's outputs; add it to the corpus together with the repair.
    """
    native.cc_binary(
        name = name + "_program",
        testonly = True,
        srcs = srcs,
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["manual"],
        visibility = ["//visibility:private"],
        deps = deps,
    )
    _fuzz_test(
        name = name,
        size = size,
        corpus = corpus,
        max_len = max_len,
        program = ":" + name + "_program",
        runs = runs,
        **kwargs
    )
