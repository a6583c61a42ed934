#include "transformers/base/memory.h"

#include <gtest/gtest.h>

#include <fstream>

#include "transformers/base/temporary_folder.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMiB = 1 << 20;

struct AvailableMemory : ::testing::Test {
  AvailableMemory() { write("proc/meminfo", "MemTotal: 8192 kB\nMemAvailable:    4096 kB\n"); }
  void write(const fs::path& name, std::string_view text) {
    fs::create_directories((root.path() / name).parent_path());
    std::ofstream(root.path() / name) << text;
  }
  [[nodiscard]] int64_t available() const { return available_memory_bytes(root.path()); }

  TemporaryFolder root{"memory-test"};
};

TEST_F(AvailableMemory, IsTheSystemsWithoutGroups) {
  EXPECT_EQ(available(), 4 * kMiB);
  write("proc/self/cgroup", "0::/\n");
  EXPECT_EQ(available(), 4 * kMiB);
}

TEST_F(AvailableMemory, IsWhatTheGroupLeavesWhereCachesCountAsFree) {
  write("proc/self/cgroup", "0::/a/b\n");
  write("sys/fs/cgroup/a/b/memory.max", "2097152\n");
  write("sys/fs/cgroup/a/b/memory.current", "2097152\n");
  write("sys/fs/cgroup/a/b/memory.stat", "anon 1048576\nfile 1048576\n");
  EXPECT_EQ(available(), kMiB);
  write("sys/fs/cgroup/a/b/memory.stat", "anon 524288\nfile 1572864\nshmem 1048576\n");
  EXPECT_EQ(available(), kMiB / 2) << "nobody can drop what is shared";
  write("sys/fs/cgroup/a/b/memory.stat", "anon 1048576\nfile 1048576\n");
  write("sys/fs/cgroup/a/memory.max", "524288\n");  // the group around it
  write("sys/fs/cgroup/a/memory.current", "0\n");
  EXPECT_EQ(available(), kMiB / 2);
  write("sys/fs/cgroup/a/memory.max", "max\n");
  EXPECT_EQ(available(), kMiB);
}

TEST_F(AvailableMemory, KnowsVersionOneAndContainers) {
  write("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "3145728\n");  // the path is the host's
  write("sys/fs/cgroup/memory/memory.usage_in_bytes", "1048576\n");
  EXPECT_EQ(available(), 2 * kMiB);
  write("sys/fs/cgroup/memory/memory.usage_in_bytes", "9145728\n");
  EXPECT_EQ(available(), 0);
}

TEST_F(AvailableMemory, ReadsPathsWithColons) {
  write("proc/self/cgroup", "0::/kube.slice:cri-containerd:abc\n");
  write("sys/fs/cgroup/kube.slice:cri-containerd:abc/memory.max", "1048576\n");
  write("sys/fs/cgroup/kube.slice:cri-containerd:abc/memory.current", "0\n");
  EXPECT_EQ(available(), kMiB);
}

TEST_F(AvailableMemory, IsNotDeceivedByWhatIsNoNumber) {
  write("proc/self/cgroup", "nonsense\n4:memory\n:::::\n0::/../../up\n");
  write("sys/fs/cgroup/memory.max", "many\n");
  write("sys/fs/cgroup/memory.current", "");
  EXPECT_EQ(available(), 4 * kMiB);
}

TEST(AvailableMemoryOfThisMachine, IsRead) {
  EXPECT_GT(available_memory_bytes(), 0);
  EXPECT_LT(available_memory_bytes(), int64_t{1} << 40) << "what is taken where nothing can be read";
}

}  // namespace
}  // namespace transformers
