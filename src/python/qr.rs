//! `ferrotp.QR`'s native base: it reads arguments and maps errors; the drawing is the core's.

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyString};

use crate::qr::{Colour, ErrorCorrection, Qr, QrError, Style};

/// The exception of `ferrotp.qr` for an error. It is found when it is needed: that module is not loaded before.
fn raised(py: Python<'_>, error: QrError) -> PyErr {
    let name = match error {
        QrError::TooLong(_) => "TextTooLongError",
        QrError::WeakContrast { .. } | QrError::Inverted { .. } => "ContrastError",
        _ => "QRError",
    };
    named(py, name, error.to_string())
}

fn named(py: Python<'_>, name: &str, message: String) -> PyErr {
    let class = py.import("ferrotp.qr").and_then(|module| module.getattr(name));
    match class.and_then(|class| class.call1((message.as_str(),))) {
        Ok(exception) => PyErr::from_value(exception),
        Err(_) => PyValueError::new_err(message),
    }
}

/// A text. What cannot be UTF-8 is refused here: Python's own exception would carry the text.
fn utf8<'a>(text: &'a Bound<'_, PyAny>, name: &str) -> PyResult<&'a str> {
    let text = text.cast::<PyString>().map_err(|_| PyTypeError::new_err(format!("{name} must be a str")))?;
    text.to_str()
        .map_err(|_| named(text.py(), "QRError", format!("{name} has lone surrogates, which are no text")))
}

/// A number of pixels or modules. What is out of range comes out as the largest number, which the core refuses.
fn number(value: &Bound<'_, PyAny>, name: &str) -> PyResult<u32> {
    let value = value.cast::<PyInt>().map_err(|_| PyTypeError::new_err(format!("{name} must be an int")))?;
    match value.extract::<i64>() {
        Ok(value) => Ok(value.try_into().unwrap_or(u32::MAX)),
        Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => Ok(u32::MAX),
        Err(error) => Err(error),
    }
}

fn optional_number(value: Option<&Bound<'_, PyAny>>, name: &str) -> PyResult<Option<u32>> {
    value.map(|value| number(value, name)).transpose()
}

fn style(
    py: Python<'_>,
    border: &Bound<'_, PyAny>,
    dark: &Bound<'_, PyAny>,
    light: Option<&Bound<'_, PyAny>>,
    allow_inverted: bool,
) -> PyResult<Style> {
    let colour = |value: &Bound<'_, PyAny>, name| {
        Colour::parse(utf8(value, name)?).ok_or_else(|| raised(py, QrError::InvalidColour))
    };
    let dark = colour(dark, "dark")?;
    let light = light.map(|light| colour(light, "light")).transpose()?;
    Style::new(number(border, "border")?, dark, light, allow_inverted).map_err(|error| raised(py, error))
}

/// A symbol. The public class is `ferrotp.QR`.
#[pyclass(name = "QRBase", module = "ferrotp._native", subclass, frozen)]
pub(super) struct QrBase(Qr);

#[pymethods]
impl QrBase {
    #[new]
    #[pyo3(signature = (text, error_correction = None), text_signature = "(text, error_correction='M')")]
    fn new(text: &Bound<'_, PyAny>, error_correction: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let py = text.py();
        let level = match error_correction {
            None => ErrorCorrection::M,
            Some(letter) => {
                ErrorCorrection::from_letter(utf8(letter, "error_correction")?).ok_or_else(|| {
                    named(py, "QRError", "error_correction must be 'L', 'M', 'Q' or 'H'".to_owned())
                })?
            }
        };
        Qr::new(utf8(text, "text")?, level).map(Self).map_err(|error| raised(py, error))
    }

    #[getter]
    fn version(&self) -> u8 {
        self.0.version()
    }

    #[getter]
    fn modules(&self) -> u8 {
        self.0.side()
    }

    #[getter]
    fn error_correction(&self) -> String {
        self.0.error_correction().to_string()
    }

    #[pyo3(signature = (size, border, dark, light, title, allow_inverted))]
    fn _svg<'py>(
        &self,
        size: Option<Bound<'py, PyAny>>,
        border: Bound<'py, PyAny>,
        dark: Bound<'py, PyAny>,
        light: Option<Bound<'py, PyAny>>,
        title: Bound<'py, PyAny>,
        allow_inverted: bool,
    ) -> PyResult<String> {
        let py = border.py();
        let style = style(py, &border, &dark, light.as_ref(), allow_inverted)?;
        let size = optional_number(size.as_ref(), "size")?;
        self.0.svg(&style, size, utf8(&title, "title")?).map_err(|error| raised(py, error))
    }

    #[pyo3(signature = (size, border, dark, light, allow_inverted))]
    fn _png<'py>(
        &self,
        size: Option<Bound<'py, PyAny>>,
        border: Bound<'py, PyAny>,
        dark: Bound<'py, PyAny>,
        light: Option<Bound<'py, PyAny>>,
        allow_inverted: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let py = border.py();
        let style = style(py, &border, &dark, light.as_ref(), allow_inverted)?;
        let size = optional_number(size.as_ref(), "size")?;
        let png = self.0.png(&style, size).map_err(|error| raised(py, error))?;
        Ok(PyBytes::new(py, &png))
    }

    #[pyo3(signature = (border, colours))]
    fn _terminal(&self, border: &Bound<'_, PyAny>, colours: bool) -> PyResult<String> {
        self.0.terminal(number(border, "border")?, colours).map_err(|error| raised(border.py(), error))
    }
}
