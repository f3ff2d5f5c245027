//! PNG: one bit a pixel, two colours in the palette.

use png::{BitDepth, ColorType, Compression, Encoder, Filter};

use super::{Colour, Qr, QrError, Style, check_size};

/// Pixels a side of a module, where no size is asked for.
const MODULE: u32 = 8;

impl Qr {
    /// A square picture of `size` pixels a side, or of 8 pixels a module. Modules are whole pixels; what is left over
    /// goes to the border.
    ///
    /// # Errors
    /// [`QrError::Size`] if the size or the border is out of range, [`QrError::TooSmall`] if modules would have no pixel.
    pub fn png(&self, style: &Style, size: Option<u32>) -> Result<Vec<u8>, QrError> {
        let needed = self.side_with(style.border)?;
        let (size, module) = match size {
            None => (needed.saturating_mul(MODULE), MODULE),
            Some(size) => match check_size(size)?.checked_div(needed) {
                None | Some(0) => return Err(QrError::TooSmall { needed }),
                Some(module) => (size, module),
            },
        };
        let drawn = module.saturating_mul(self.side().into());
        let above = size.saturating_sub(drawn) / 2;
        let pixels = self.pixels(size as usize, above as usize, module as usize);

        let mut file = Vec::with_capacity(4096);
        let mut encoder = Encoder::new(&mut file, size, size);
        encoder.set_color(ColorType::Indexed);
        encoder.set_depth(BitDepth::One);
        let light = style.light.unwrap_or(Colour::WHITE);
        encoder.set_palette([light.0, style.dark.0].concat());
        if style.light.is_none() {
            encoder.set_trns(&[0][..]);
        }
        // Rows repeat: as differences from the row above they are zeros, for which this compressor is made.
        encoder.set_filter(Filter::Up);
        encoder.set_compression(Compression::Fastest);
        // Writing to memory does not fail; sizes are within PNG's.
        let written = encoder.write_header().and_then(|mut writer| {
            writer.write_image_data(&pixels)?;
            writer.finish()
        });
        written.map_err(|_| QrError::Size)?;
        Ok(file)
    }

    /// The rows of the picture; a set bit is dark, the highest bit of a byte is leftmost.
    fn pixels(&self, size: usize, above: usize, module: usize) -> Vec<u8> {
        let width = size.div_ceil(8);
        let mut pixels = vec![0u8; width.saturating_mul(size)];
        let mut lines = pixels.chunks_exact_mut(width.max(1)).skip(above);
        let mut line = vec![0u8; width];
        for row in self.rows() {
            line.fill(0);
            let mut x = above;
            for dark in row {
                let end = x.saturating_add(module);
                if *dark {
                    for x in x..end {
                        if let Some(byte) = line.get_mut(x / 8) {
                            *byte |= 0x80 >> (x % 8);
                        }
                    }
                }
                x = end;
            }
            for slot in lines.by_ref().take(module) {
                slot.copy_from_slice(&line);
            }
        }
        pixels
    }
}
