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
    use pyo3::exceptions::PyAttributeError;

    use super::batch::KeySetBase;
    use super::qr::QrBase;
    use super::vault::{PyHashing, PyKeyring};
    use super::*;

    #[pymodule_export]
    #[allow(non_upper_case_globals)] // Python's name for it
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_export]
    use super::batch::{batch_codes, batch_verify};
    #[pymodule_export]
    use super::codes::kernels;
    #[pymodule_export]
    use super::guard::{register, watch};
    #[pymodule_export]
    use super::object::{getstate, instance_dict, set_instance_dict, setstate};
    #[pymodule_export]
    use super::text::decode_base32;
    #[pymodule_export]
    use super::transfer::{migration_decode, migration_encode, pskc_read};
    #[pymodule_export]
    use super::vault::{new_key, wallet_keys};

    /// A class that most programs never ask for: it is made at first use.
    #[pyfunction]
    #[pyo3(pass_module)]
    fn __getattr__<'py>(module: &Bound<'py, PyModule>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        match name {
            "KeySetBase" => module.add_class::<KeySetBase>(),
            "QRBase" => module.add_class::<QrBase>(),
            "Hashing" => module.add_class::<PyHashing>(),
            "Keyring" => module.add_class::<PyKeyring>(),
            _ => {
                Err(PyAttributeError::new_err(format!("module 'ferrotp._native' has no attribute '{name}'")))
            }
        }?;
        module.getattr(name)
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::boundary::prepare(module.py())?;
        module.add("OTPBase", super::object::base_type(module.py())?)?;
        super::codes::add_to(module)?;
        super::init::add_to(module)?;
        super::text::add_to(module)
    }
}
