//! The pictures of a playlist without their sound, for players that have the sound from elsewhere: a
//! playlist and files of their own.

use packager::fmp4;

use super::files::{FileName, OpenSegment};
use super::{File, Lookup, State, Store, found};

impl Store {
    /// The same playlist of the pictures of its segments, which stands where these do. It says of each
    /// segment what the playlist says: pictures and sound of a segment begin and end together. None
    /// while it shows a segment without pictures.
    pub(crate) fn picture_playlist(&self, is_delta: bool) -> Option<File> {
        if !self.read().shows_pictures() {
            return None;
        }
        let File { data, etag } = self.playlist(is_delta)?;
        let text = String::from_utf8_lossy(&data);
        let text = text.replace(
            &format!("{}/{}-", self.id, self.stamp),
            &format!("{}-", self.picture_stamp()),
        );
        Some(File {
            data: text.into(),
            etag: etag.replacen(&self.stamp, &self.picture_stamp(), 1),
        })
    }

    /// Whether it has pictures that [`Store::picture_playlist`] has not.
    pub(crate) fn hides_pictures(&self) -> bool {
        let state = self.read();
        let newest = state.inits.back();
        newest.is_some_and(|init| init.size.is_some()) && !state.shows_pictures()
    }

    /// The pictures of what has a name: cut out of it once, for all who ask.
    pub(super) fn pictures_of(&self, of: FileName, name: &str) -> Lookup {
        let state = self.read();
        let part = match of {
            FileName::Transport(_) => return Lookup::Unknown,
            FileName::Init(version) => {
                let init = state.inits.iter().find(|init| init.version == version);
                let video = init.and_then(|init| init.video.clone());
                drop(state);
                let cut = video.and_then(|video| fmp4::init_section(Some(&video), None).ok());
                return cut.map_or(Lookup::Unknown, |data| found(data, name));
            }
            // Playlists of windows have no pictures alone.
            FileName::Segment(msn) => state
                .segment(msn)
                .map(|segment| (segment.init, segment.cutout.all())),
            FileName::Part(msn, index) => match self.part(&state, msn, index) {
                Ok(part) => Some(part),
                Err(absent) => return absent.into(),
            },
        };
        let part = part.filter(|(init, _)| state.has_video(*init));
        drop(state);
        let cut = part.and_then(|(_, part)| part.pictures());
        cut.map_or(Lookup::Unknown, |data| found(data, name))
    }

    /// In the names of pictures alone. No variant's stamp ends so.
    pub(super) fn picture_stamp(&self) -> String {
        format!("{}v", self.stamp)
    }
}

impl State {
    /// Whether all that the playlist shows has pictures.
    fn shows_pictures(&self) -> bool {
        let shown = self.segments.iter().skip(self.spare);
        let open = self.open.iter().map(OpenSegment::init);
        let mut inits = shown.map(|segment| segment.init).chain(open);
        inits.all(|version| self.has_video(version))
    }

    fn has_video(&self, version: u32) -> bool {
        let init = self.inits.iter().find(|init| init.version == version);
        init.is_some_and(|init| init.video.is_some())
    }
}
