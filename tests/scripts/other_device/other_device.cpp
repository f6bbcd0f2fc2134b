// A device that computes on the CPU and yet is another device to torch: whoever mixes its tensors with the CPU's is refused, as by CUDA.
// It shows without a GPU that every tensor, index and generator is made where it is needed. It says nothing about speed, streams or graphs.
#include <torch/extension.h>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <set>
#include <string>

namespace {
constexpr auto PU1 = c10::DeviceType::PrivateUse1;

struct Alloc final : at::Allocator {
  at::DataPtr allocate(size_t n) override {
    void* p = n ? malloc(n) : nullptr;
    if (n) memset(p, 0xAB, n);  // what nobody wrote is not zero by chance
    return {p, p, &free, at::Device(PU1, 0)};
  }
  at::DeleterFnPtr raw_deleter() const override { return &free; }
  void copy_data(void* d, const void* s, size_t n) const override { memcpy(d, s, n); }
};
Alloc alloc;
REGISTER_ALLOCATOR(PU1, &alloc);

// A generator of this device; while an operation runs on the CPU it passes for one of the CPU's.
struct Gen final : at::CPUGeneratorImpl {
  Gen(uint64_t s) : at::CPUGeneratorImpl(s) { other(); }
  void other() { device_ = at::Device(PU1, 0); key_set_ = c10::DispatchKeySet(c10::DispatchKey::PrivateUse1); }
  void cpu() { device_ = at::Device(at::kCPU); key_set_ = c10::DispatchKeySet(c10::DispatchKey::CPU); }
};
at::Generator& default_gen() { static at::Generator g = at::make_generator<Gen>(1234); return g; }

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override { return default_gen(); }
  at::Generator getNewGenerator(c10::DeviceIndex) const override { return at::make_generator<Gen>(c10::detail::getNonDeterministicRandom()); }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  void setCurrentDevice(c10::DeviceIndex) const override {}
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex) const override { return 0; }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex) const override { return 0; }
  void resizePrivateUse1Bytes(const c10::Storage& s, size_t n) const override {
    auto p = alloc.allocate(n);
    if (s.data()) memcpy(p.get(), s.data(), std::min(n, (size_t)s.nbytes()));
    const_cast<c10::Storage&>(s).set_data_ptr(std::move(p));
    s.unsafeGetStorageImpl()->set_nbytes(n);
  }
};

at::Tensor on_cpu(const at::Tensor& t) {
  if (t.device().type() != PU1) return t;
  return at::from_blob(t.data_ptr(), t.sizes(), t.strides(), t.options().device(at::kCPU).requires_grad(false));
}

at::Tensor empty(c10::IntArrayRef size, std::optional<at::ScalarType> dt, std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> mf) {
  return at::detail::empty_generic(size, &alloc, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), c10::dtype_or_default(dt), mf);
}
at::Tensor empty_strided(c10::IntArrayRef size, c10::IntArrayRef stride, std::optional<at::ScalarType> dt, std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &alloc, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), c10::dtype_or_default(dt));
}
at::Tensor copy_from(const at::Tensor& self, const at::Tensor& dst, bool) {
  at::AutoDispatchBelowADInplaceOrView guard;
  auto d = on_cpu(dst);
  d.copy_(on_cpu(self));
  return dst;
}
at::Tensor copy_from_and_resize(const at::Tensor& self, const at::Tensor& dst) {
  if (dst.sizes() != self.sizes()) dst.resize_(self.sizes());
  return copy_from(self, dst, false);
}

// What moves between devices, what takes indices of the CPU, and what takes no number of the CPU, as CUDA has it.
const std::set<std::string> free_ops = {"aten::copy_", "aten::_copy_from", "aten::_to_copy", "aten::to"};
const std::set<std::string> index_ops = {"aten::index", "aten::index_put_", "aten::_index_put_impl_", "aten::index_put", "aten::_unsafe_index", "aten::_unsafe_index_put"};
const std::set<std::string> strict_scalar = {"aten::cat", "aten::stack", "aten::index_select", "aten::gather", "aten::scatter", "aten::scatter_", "aten::embedding", "aten::index_add", "aten::index_add_", "aten::index_copy_", "aten::masked_scatter_", "aten::nll_loss_forward", "aten::mm", "aten::addmm", "aten::bmm"};

void fallback(const c10::OperatorHandle& op, c10::DispatchKeySet, torch::jit::Stack* stack) {
  const auto& schema = op.schema();
  const auto& name = schema.name();
  size_t n = schema.arguments().size();
  auto args = torch::jit::last(*stack, n);
  std::vector<Gen*> toggled;
  bool any = false; std::vector<std::string> cpu_args;
  auto look = [&](const at::Tensor& t, const std::string& arg) {
    if (!t.defined()) return;
    if (t.device().type() == PU1) any = true;
    else if (t.dim() > 0 || strict_scalar.count(name)) cpu_args.push_back(arg);
  };
  for (size_t i = 0; i < n; ++i) {
    const auto& v = args[i]; const auto& arg = schema.arguments()[i].name();
    bool exempt = index_ops.count(name) && arg == "indices";
    if (exempt) continue;
    if (v.isTensor()) look(v.toTensor(), arg);
    else if (v.isTensorList()) for (const at::Tensor& t : v.toTensorVector()) look(t, arg);
    else if (v.isOptionalTensorList()) for (const std::optional<at::Tensor>& t : v.toOptionalTensorVector()) { if (t) look(*t, arg); }
    else if (v.isList()) { for (const auto& e : v.toListRef()) if (e.isTensor()) look(e.toTensor(), arg); }
    if (v.isGenerator()) {
      auto g = v.toGenerator();
      if (auto* own = dynamic_cast<Gen*>(g.unsafeGetGeneratorImpl())) toggled.push_back(own);
      else cpu_args.push_back(arg + " (generator of the CPU)");
    }
  }
  if (any && !cpu_args.empty() && !free_ops.count(name)) {
    std::string said; for (auto& a : cpu_args) said += a + " ";
    TORCH_CHECK(false, "MIXED DEVICES in ", name, ": on the CPU: ", said);
  }
  for (auto* g : toggled) g->cpu();
  try { at::native::cpu_fallback(op, stack); } catch (...) { for (auto* g : toggled) g->other(); throw; }
  for (auto* g : toggled) g->other();
}
const at::Tensor& resize_other(const at::Tensor& self, c10::IntArrayRef size, std::optional<at::MemoryFormat>) {
  auto* impl = self.unsafeGetTensorImpl();
  int64_t n = c10::multiply_integers(size);
  size_t need = (n + self.storage_offset()) * self.element_size();
  if (need > self.storage().nbytes()) Hooks().resizePrivateUse1Bytes(self.storage(), need);
  impl->set_sizes_contiguous(size);
  return self;
}

at::Tensor& set_storage(at::Tensor& self, at::Storage storage, int64_t offset, c10::IntArrayRef size, c10::IntArrayRef stride) {
  auto* impl = self.unsafeGetTensorImpl();
  impl->set_storage_keep_dtype(std::move(storage));
  if (stride.size() == size.size()) {
    impl->set_sizes_and_strides(size, stride, offset);
  } else {
    impl->set_storage_offset(offset);
    impl->set_sizes_contiguous(size);
  }
  return self;
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&fallback>()); }
TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", &empty);
  m.impl("empty_strided", &empty_strided);
  m.impl("as_strided", &at::native::as_strided_tensorimpl);
  m.impl("view", static_cast<at::Tensor (*)(const at::Tensor&, c10::IntArrayRef)>(&at::native::view));
  m.impl("_reshape_alias", &at::native::_reshape_alias);
  m.impl("unfold", &at::native::unfold);
  m.impl("_copy_from", &copy_from);
  m.impl("_copy_from_and_resize", &copy_from_and_resize);
  m.impl("resize_", &resize_other);
  m.impl("set_.source_Tensor", &at::native::set_tensor_);
  m.impl("set_.source_Storage", static_cast<at::Tensor&(*)(at::Tensor&, at::Storage)>(&at::native::set_));
  m.impl("set_.source_Storage_storage_offset", &set_storage);
}

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return PU1; }
  c10::Device exchangeDevice(c10::Device) const override { return c10::Device(PU1, 0); }
  c10::Device getDevice() const override { return c10::Device(PU1, 0); }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device d) const override { return c10::Stream(c10::Stream::DEFAULT, d); }
  c10::Stream exchangeStream(c10::Stream s) const override { return s; }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void**, const c10::Stream&, const c10::DeviceIndex, const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void*, const c10::DeviceIndex) const noexcept override {}
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);
}  // namespace

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  static Hooks hooks;
  at::RegisterPrivateUse1HooksInterface(&hooks);
}
