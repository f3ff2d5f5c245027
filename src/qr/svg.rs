//! SVG: one path, and attributes only, so that a strict Content-Security-Policy has nothing to refuse.

use core::fmt::Write;

use super::{Qr, QrError, Style, check_size};

impl Qr {
    /// A drawing that scales. With a size it is so many CSS pixels a side until a style sheet says otherwise; without
    /// one it fills what it stands in.
    ///
    /// `title` is what a screen reader says, so never put the text there; an empty one is left out.
    ///
    /// # Errors
    /// [`QrError::Size`] if the size or the border is out of range.
    pub fn svg(&self, style: &Style, size: Option<u32>, title: &str) -> Result<String, QrError> {
        let side = self.side_with(style.border)?;
        let mut svg = String::with_capacity(16384);
        svg.push_str(r#"<svg xmlns="http://www.w3.org/2000/svg" role="img""#);
        if let Some(size) = size {
            let size = check_size(size)?;
            put(&mut svg, format_args!(r#" width="{size}" height="{size}""#));
        }
        put(&mut svg, format_args!(r#" viewBox="0 0 {side} {side}" shape-rendering="crispEdges">"#));
        if !title.is_empty() {
            svg.push_str("<title>");
            escape(&mut svg, title);
            svg.push_str("</title>");
        }
        if let Some(light) = style.light {
            put(&mut svg, format_args!(r#"<rect width="{side}" height="{side}" fill="{light}"/>"#));
        }
        put(&mut svg, format_args!(r#"<path fill="{}" d=""#, style.dark));
        let mut y = style.border;
        for row in self.rows() {
            let mut x = style.border;
            for run in row.chunk_by(|a, b| a == b) {
                let width = run.len() as u32;
                if run.first() == Some(&true) {
                    svg.push('M');
                    number(&mut svg, x);
                    svg.push(' ');
                    number(&mut svg, y);
                    svg.push('h');
                    number(&mut svg, width);
                    svg.push_str("v1h-");
                    number(&mut svg, width);
                    svg.push('z');
                }
                x = x.saturating_add(width);
            }
            y = y.saturating_add(1);
        }
        svg.push_str(r#""/></svg>"#);
        Ok(svg)
    }
}

/// Appends to a string, which does not fail.
fn put(svg: &mut String, text: core::fmt::Arguments<'_>) {
    let _ = svg.write_fmt(text);
}

/// Appends a number under 1,000: several times faster than formatting, and there are two thousand of them.
fn number(svg: &mut String, number: u32) {
    let digit = |place: u32| char::from_digit(place % 10, 10).unwrap_or('0');
    if number >= 100 {
        svg.push(digit(number / 100));
    }
    if number >= 10 {
        svg.push(digit(number / 10));
    }
    svg.push(digit(number));
}

/// Text as XML takes it: without its marks, and without control characters, which XML has not.
fn escape(svg: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => svg.push_str("&amp;"),
            '<' => svg.push_str("&lt;"),
            '>' => svg.push_str("&gt;"),
            '"' => svg.push_str("&quot;"),
            '\'' => svg.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => svg.push(' '),
            other if other.is_control() => svg.push(' '),
            other => svg.push(other),
        }
    }
}
