#include "fs/generated/generated.h"

#include "fs/core/clock.h"
#include "fs/generated/text_file.h"

namespace narwhal {
namespace {

class FunctionFile final : public GeneratedFile {
 public:
  FunctionFile(GeneratedFileSystem& fs, u32 mode, ShowFunction show, StoreFunction store)
      : GeneratedFile(fs, mode), show_(show), store_(store) {}
  Result<> show(TextSink& out) override { return show_(out); }
  Result<> store(std::string_view text) override {
    if (!store_) return Errno::kAcces;
    return store_(text);
  }

 private:
  ShowFunction show_;
  StoreFunction store_;
};

class ConstantFile final : public GeneratedFile {
 public:
  ConstantFile(GeneratedFileSystem& fs, std::string_view text)
      : GeneratedFile(fs, 0444), text_(text) {}
  Result<> show(TextSink& out) override {
    out << text_;
    return {};
  }

 private:
  std::string_view text_;
};

class ConstantLink final : public GeneratedInode {
 public:
  ConstantLink(GeneratedFileSystem& fs, std::string_view target)
      : GeneratedInode(fs, FileType::kSymlink, 0777), target_(target) {}
  Result<String> read_link() override { return String::copy(target_); }

 private:
  std::string_view target_;
};

}  // namespace

Result<> GeneratedInode::stat(abi::Stat& out) {
  TRY(Inode::stat(out));
  if (is_directory()) out.links = 2;
  out.block_size = 1024;
  out.accessed = out.modified = out.changed = current_file_time();
  return {};
}

Result<FileRef> GeneratedFile::open(const Path& path, OpenFlags flags) {
  return FileRef(TRY(make_ref<GeneratedTextFile>(path, flags)));
}

Result<> GeneratedDirectory::add(std::string_view name, Ref<Inode> inode) {
  return entries_.push_back({name, std::move(inode)});
}

Ref<Inode> GeneratedDirectory::find(std::string_view name) const {
  for (const Entry& entry : entries_)
    if (entry.name == name) return entry.inode;
  return nullptr;
}

Result<Ref<Inode>> GeneratedDirectory::lookup(std::string_view name) {
  if (auto fixed = find(name)) return fixed;
  return lookup_changing(name);
}

Result<> GeneratedDirectory::read_directory(i64 offset, DirectoryVisitor& visitor) {
  for (; offset < i64(entries_.size()); ++offset) {
    const Entry& entry = entries_[usize(offset)];
    if (!visitor.entry(entry.name, entry.inode->number(), entry.inode->type(), offset + 1))
      return {};
  }
  return read_changing(offset - i64(entries_.size()), i64(entries_.size()), visitor);
}

Result<Ref<Inode>> make_text_file(GeneratedFileSystem& fs, ShowFunction show, StoreFunction store) {
  return Ref<Inode>(TRY(make_ref<FunctionFile>(fs, store ? 0644 : 0444, show, store)));
}
Result<Ref<Inode>> make_constant_file(GeneratedFileSystem& fs, std::string_view text) {
  return Ref<Inode>(TRY(make_ref<ConstantFile>(fs, text)));
}
Result<Ref<Inode>> make_link(GeneratedFileSystem& fs, std::string_view target) {
  return Ref<Inode>(TRY(make_ref<ConstantLink>(fs, target)));
}
Result<Ref<GeneratedDirectory>> make_directory(GeneratedFileSystem& fs) {
  return make_ref<GeneratedDirectory>(fs, 0555);
}

Result<> generated_add(GeneratedFileSystem& fs, std::string_view directory, std::string_view name,
                       Ref<Inode> inode) {
  // Every directory of such a file system is a GeneratedDirectory, its root included.
  auto at = static_ref_cast<GeneratedDirectory>(fs.root_inode());
  while (!directory.empty()) {
    const usize slash = directory.find('/');
    const std::string_view component = directory.substr(0, slash);
    directory = slash == std::string_view::npos ? std::string_view() : directory.substr(slash + 1);
    if (auto below = at->find(component)) {
      at = static_ref_cast<GeneratedDirectory>(std::move(below));
      continue;
    }
    auto made = TRY(make_directory(fs));
    TRY(at->add(component, made));
    at = std::move(made);
  }
  return at->add(name, std::move(inode));
}

Result<Vector<char>> generate_text(GeneratedFile& file) {
  constexpr usize kFirstSize = 2 * kKiB;
  constexpr usize kMaxSize = 16 * kMiB;
  for (usize size = kFirstSize; size <= kMaxSize; size *= 4) {
    Vector<char> text;
    TRY(text.resize(size));
    TextSink sink(text.data(), size);
    TRY(file.show(sink));
    if (sink.truncated()) continue;
    TRY(text.resize(sink.size()));
    return text;
  }
  return Errno::kNoMem;
}

}  // namespace narwhal
