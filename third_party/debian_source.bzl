"""debian_source(): a repository made of the upstream archive in a Debian source package."""

def _debian_source_impl(repository_ctx):
    result = repository_ctx.execute([
        repository_ctx.path(repository_ctx.attr._script),
        repository_ctx.attr.package,
        repository_ctx.attr.archive,
        repository_ctx.attr.sha256,
    ])
    if result.return_code != 0:
        fail(result.stderr)
    repository_ctx.extract(
        archive = result.stdout.strip(),
        stripPrefix = repository_ctx.attr.strip_prefix,
    )
    for patch in repository_ctx.attr.patches:
        repository_ctx.patch(patch, strip = 1)
    repository_ctx.symlink(repository_ctx.attr.build_file, "BUILD.bazel")

debian_source = repository_rule(
    implementation = _debian_source_impl,
    attrs = {
        "package": attr.string(mandatory = True, doc = "the source package's name"),
        "archive": attr.string(mandatory = True, doc = "the upstream archive's file name"),
        "sha256": attr.string(mandatory = True, doc = "the archive's checksum"),
        "strip_prefix": attr.string(mandatory = True, doc = "the archive's top folder"),
        "build_file": attr.label(mandatory = True, allow_single_file = True),
        "patches": attr.label_list(allow_files = [".patch"], doc = "applied in order, with -p1"),
        "_script": attr.label(default = "//third_party:debian_source.sh", allow_single_file = True),
    },
    environ = ["HOME", "XDG_CACHE_HOME"],
)
