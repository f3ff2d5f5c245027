//! The extension module `ferrotp._native`.
//!
//! Everything here either answers or returns `None`. It answers only where object and input are ordinary; `None` sends
//! the caller to the plain rules, written in Python beside the call, which decide odd input, overrides and errors. The
//! exceptions are `qr` and `vault`, which pyotp does not have: they decide, and raise.

mod batch;
mod boundary;
mod codes;
mod fastcall;
mod guard;
mod init;
mod layout;
mod locked;
mod object;
mod qr;
mod state;
mod text;
mod transfer;
mod vault;

use pyo3::prelude::*;

/// The native floor of ferrotp. Private: use `ferrotp`.
///
/// It asks for the GIL: nobody has shown it without, and the registries and an object's dict are read under it.
#[pymodule(gil_used = true)]
mod _native {
    use super::*;

    #[pymodule_export]
    #[allow(non_upper_case_globals)] // Python's name for it
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_export]
    use super::batch::{KeySetBase, batch_codes, batch_verify};
    #[pymodule_export]
    use super::codes::kernels;
    #[pymodule_export]
    use super::guard::{register, watch};
    #[pymodule_export]
    use super::object::{getstate, instance_dict, set_instance_dict, setstate};
    #[pymodule_export]
    use super::qr::QrBase;
    #[pymodule_export]
    use super::text::decode_base32;
    #[pymodule_export]
    use super::transfer::{migration_decode, migration_encode, pskc_read};
    #[pymodule_export]
    use super::vault::{PyHashing, PyKeyring, new_key};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::boundary::prepare(module.py())?;
        module.add("OTPBase", super::object::base_type(module.py())?)?;
        super::codes::add_to(module)?;
        super::init::add_to(module)?;
        super::text::add_to(module)
    }
}
