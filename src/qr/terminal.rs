//! Lines for a terminal: half blocks, two modules in a character.

use super::{Qr, QrError, Style};

/// Black on white by their fixed places among the 256 colours: themes change the first sixteen.
const COLOURS: &str = "\x1b[38;5;16;48;5;231m";
const RESET: &str = "\x1b[0m";

impl Qr {
    /// Half blocks, a line for two rows, each ended by a newline.
    ///
    /// With `colours` they are black on white whatever the terminal's own colours are. Without, light modules are drawn
    /// and dark ones left out, which is right on a dark background only.
    ///
    /// # Errors
    /// [`QrError::Size`] if the border is over [`WIDEST_BORDER`](super::WIDEST_BORDER).
    pub fn terminal(&self, border: u32, colours: bool) -> Result<String, QrError> {
        let side = self.side_with(Style { border, ..Style::default() }.border)? as usize;
        let border = border as usize;
        let blank = vec![false; side];
        let mut rows: Vec<Vec<bool>> = vec![blank.clone(); border];
        rows.extend(self.rows().map(|row| {
            let mut padded = vec![false; border];
            padded.extend_from_slice(row);
            padded.resize(side, false);
            padded
        }));
        // A side is odd, so the last line has half a row left over. It is light, like the border.
        rows.resize(side.next_multiple_of(2), blank);

        let mut text = String::with_capacity(side.saturating_mul(side).saturating_mul(2));
        for pair in rows.chunks_exact(2) {
            let [upper, lower] = pair else { continue };
            if colours {
                text.push_str(COLOURS);
            }
            for (upper, lower) in upper.iter().zip(lower) {
                text.push(match (*upper ^ !colours, *lower ^ !colours) {
                    (false, false) => ' ',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (true, true) => '█',
                });
            }
            if colours {
                text.push_str(RESET);
            }
            text.push('\n');
        }
        Ok(text)
    }
}
