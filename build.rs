//! For the Python module on Linux: the unwinder is linked statically. Loading `libgcc_s.so` at every import took longer
//! than the rest of the module's start.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).as_deref() == Ok(value);
    if env::var_os("CARGO_FEATURE_PYTHON").is_none()
        || !is("CARGO_CFG_TARGET_OS", "linux")
        || !is("CARGO_CFG_TARGET_ENV", "gnu")
    {
        return;
    }
    // The standard library asks for `-lgcc_s`. The linker looks here first, and finds a script that names the static one.
    let Some(folder) = env::var_os("OUT_DIR").map(PathBuf::from) else { return };
    match fs::write(folder.join("libgcc_s.so"), "INPUT(-lgcc_eh)\n") {
        Ok(()) => println!("cargo::rustc-link-search=native={}", folder.display()),
        Err(error) => println!("cargo::warning=libgcc_s stays a shared library: {error}"),
    }
}
