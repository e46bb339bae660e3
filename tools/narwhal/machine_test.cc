#include "tools/narwhal/machine.h"

#include <gtest/gtest.h>

#include "tools/base/error.h"
#include "tools/narwhal/accelerator.h"

namespace narwhal::tools {
namespace {

std::string command(const MachineSettings& settings) {
  return " " + quoted_for_shell(qemu_command(settings)) + " ";
}

#define EXPECT_HAS(text, part) EXPECT_NE(text.find(part), std::string::npos) << text
#define EXPECT_LACKS(text, part) EXPECT_EQ(text.find(part), std::string::npos) << text

TEST(Machine, ForwardsPorts) {
  MachineSettings settings;
  settings.ports = {parse_port("8080:80"), parse_port("0.0.0.0:5353:53/udp")};
  const std::string text = command(settings);
  EXPECT_HAS(text, " user,id=net,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=udp:0.0.0.0:5353-:53 ");
  EXPECT_HAS(text, " virtio-net-device,netdev=net ");
}

TEST(Machine, MicrovmHasMmioDevicesAndQ35HasPci) {
  MachineSettings settings;
  std::string text = command(settings);
  EXPECT_HAS(text, " microvm,");
  EXPECT_HAS(text, " virtio-mmio.force-legacy=false ");
  EXPECT_HAS(text, " virtio-serial-device,");
  settings.is_q35 = true;
  text = command(settings);
  EXPECT_HAS(text, " q35,");
  EXPECT_HAS(text, " virtio-serial-pci,disable-legacy=on,");
  EXPECT_LACKS(text, "virtio-mmio");
}

TEST(Machine, SharesFolders) {
  MachineSettings settings;
  settings.shares = {{"/srv/a,b", "volume0", false}, {"/data", "volume1", true}};
  const std::string text = command(settings);
  EXPECT_HAS(text,
             " local,id=volume0,path=/srv/a,,b,security_model=none,multidevs=remap "
             "-device virtio-9p-device,fsdev=volume0,mount_tag=volume0 ");
  EXPECT_HAS(text, " local,id=volume1,path=/data,security_model=none,multidevs=remap,readonly=on ");
}

TEST(Machine, HasDisks) {
  MachineSettings settings;
  settings.disks = {{.fd = 17, .is_direct = true, .serial = "a.img"},
                    {.fd = 18, .read_only = true, .is_block_device = true, .serial = "sda"}};
  std::string text = command(settings);
  EXPECT_HAS(text,
             " -add-fd fd=17,set=1 -blockdev driver=file,node-name=disk0,filename=/dev/fdset/1,"
             "read-only=off,auto-read-only=off,locking=off,cache.direct=on,discard=unmap -device "
             "virtio-blk-device,drive=disk0,serial=a.img,werror=report,rerror=report ");
  EXPECT_HAS(text, "driver=host_device,node-name=disk1,filename=/dev/fdset/2,read-only=on,");
  EXPECT_HAS(text, ",cache.direct=off,");
  settings.is_q35 = true;
  text = command(settings);
  EXPECT_HAS(text, " -device virtio-blk-pci,disable-legacy=on,drive=disk0,");
}

TEST(Machine, HasNothingUnasked) {
  const std::string text = command({});
  for (const char* const part : {" -nodefaults ", " -no-user-config ", " -no-reboot ",
                                 " -display none ", "isa-debug-exit,iobase=0x501"}) {
    EXPECT_HAS(text, part);
  }
  EXPECT_LACKS(text, "-gdb");
  EXPECT_LACKS(text, "-icount");
  EXPECT_LACKS(text, "-smp");
}

TEST(Machine, NamesPortsAsTheContractDoes) {
  MachineSettings settings;
  settings.channels = {11, 12, 13, 14, 15};
  const std::string text = command(settings);
  EXPECT_HAS(text, "socket,id=stdin,fd=11");
  EXPECT_HAS(text, "name=narwhal.stdin,chardev=stdin");
  EXPECT_HAS(text, "name=narwhal.stdout,chardev=stdout");
  EXPECT_HAS(text, "name=narwhal.stderr,chardev=stderr");
  EXPECT_HAS(text, "name=narwhal.control,chardev=control");
  EXPECT_HAS(text, "socket,id=serial,fd=15");
}

TEST(Machine, Accelerates) {
  MachineSettings settings;
  settings.use_kvm = true;
  EXPECT_HAS(command(settings), " -accel kvm -cpu host ");
  settings.use_kvm = false;
  EXPECT_HAS(command(settings), " -accel tcg,thread=multi ");
  settings.counts_instructions = true;
  EXPECT_HAS(command(settings), " -icount shift=0,sleep=off ");
  settings.memory = 8 << 20;
  settings.processors = 3;
  EXPECT_HAS(command(settings), " -m 8192k -smp 3 ");
}

TEST(Machine, Networks) {
  MachineSettings settings;
  settings.network = parse_network("tap:tap7");
  EXPECT_HAS(command(settings), " tap,id=net,ifname=tap7,script=no,");
  settings.network = parse_network("none");
  EXPECT_LACKS(command(settings), "net");
}

TEST(Machine, IsAProcess) {
  MachineSettings settings;
  settings.kernel = "/k";
  settings.memory = 64 << 20;
  settings.processors = 3;
  settings.command_line = "net=none";
  settings.channels = {5, 6, 7, 8, 9};
  std::vector<std::string> words = process_command(settings, {4, 1 << 20, 0});
  const std::vector<std::string> wanted = {"/k",
                                           "--memory-fd=4",
                                           "--archive-size=1048576",
                                           "--memory=67108864",
                                           "--cpus=3",
                                           "--stdin=5",
                                           "--stdout=6",
                                           "--stderr=7",
                                           "--control=8",
                                           "--log=9",
                                           "--settings=net=none"};
  EXPECT_EQ(words, wanted);
  words = process_command(settings, {4, 1 << 20, 2'500'000});
  EXPECT_EQ(words.back(), "--tsc-khz=2500000");
  words = process_command(settings, {4, 1 << 20, 2'500'000, -1, true});
  EXPECT_EQ(words.back(), "--clock=host");
  words = process_command(settings, {4, 1 << 20, 2'500'000, 3});
  EXPECT_EQ(words.back(), "--image-fd=3");
}

TEST(Machine, QuotesForTheShell) {
  EXPECT_EQ(quoted_for_shell({"a", "", "b c", "it's", "$x"}), "a '' 'b c' 'it'\\''s' '$x'");
}

TEST(Clock, IsTheTimeStampCounterWhereTheHostUsesItToo) {
  EXPECT_TRUE(tsc_is_clock("tsc\n", true));
  EXPECT_TRUE(tsc_is_clock("tsc", false));
  EXPECT_TRUE(tsc_is_clock("kvm-clock\n", true));
  EXPECT_TRUE(tsc_is_clock("hyperv_clocksource_tsc_page\n", true));
  EXPECT_FALSE(tsc_is_clock("kvm-clock\n", false));
  // What Linux takes when it has found the counter wanting.
  EXPECT_FALSE(tsc_is_clock("hpet\n", true));
  EXPECT_FALSE(tsc_is_clock("acpi_pm\n", true));
  EXPECT_FALSE(tsc_is_clock("refined-jiffies\n", false));
  EXPECT_TRUE(tsc_is_clock("", true));
  EXPECT_FALSE(tsc_is_clock("", false));
}

TEST(Accelerator, NeedsTheProcessorsConsent) {
  EXPECT_TRUE(names_virtualization("processor: 0\nflags\t\t: fpu vmx sse\n"));
  EXPECT_TRUE(names_virtualization("flags : fpu svm"));
  EXPECT_FALSE(names_virtualization("flags : fpu vmxx svmx\nvmx flags : vmx svm\n"));
  EXPECT_FALSE(names_virtualization(""));
}

TEST(Accelerator, Chooses) {
  const MachineFacts good = {true, "", true};
  const MachineFacts paravirtual = {true, "", false};
  const MachineFacts none = {false, "Permission denied", true};
  EXPECT_TRUE(choose_accelerator(AcceleratorWish::kAuto, good).is_kvm);
  EXPECT_FALSE(choose_accelerator(AcceleratorWish::kAuto, paravirtual).is_kvm);
  EXPECT_FALSE(choose_accelerator(AcceleratorWish::kAuto, none).is_kvm);
  EXPECT_FALSE(choose_accelerator(AcceleratorWish::kTcg, good).is_kvm);
  EXPECT_TRUE(choose_accelerator(AcceleratorWish::kKvm, paravirtual).is_kvm);
  try {
    choose_accelerator(AcceleratorWish::kKvm, none);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "--accel kvm: /dev/kvm: Permission denied; use --accel tcg, or get access (group "
                 "kvm)");
  }
}

}  // namespace
}  // namespace narwhal::tools
