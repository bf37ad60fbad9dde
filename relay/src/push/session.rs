//! One RTMP connection without IO: from the handshake to the end of a stream.

use rtmp_runtime::amf0::{Amf0Value, Command};
use rtmp_runtime::chunk::{ChunkAssembler, ChunkWriter, Message};
use rtmp_runtime::message::{ProtocolControl, UserControl, msg_type};

use super::failure::Failure;
use super::target::PushTarget;

/// Publishes one stream by RTMP 1.0: bytes of the server and FLV tags go in, bytes for the
/// server come out. Chunks and messages are read and written by `rtmp-runtime`. Its client session
/// is not used: it ends at a command without a transaction id and at text that is not UTF-8, both
/// of which servers in use send. Here, of commands only what is needed is read.
#[derive(Debug)]
pub(super) struct Session {
    step: Step,
    /// The server's half of the handshake, as far as it has come.
    greeting: Vec<u8>,
    assembler: ChunkAssembler,
    writer: ChunkWriter,
    target: PushTarget,
    stream: u32,
    /// Bytes of the server, and how many of them were acknowledged.
    received: u64,
    acknowledged: u64,
    /// The server wants an acknowledgement for so many; 0 for none.
    window: u32,
    /// Time of the first tag with media, which is 0 for the server.
    base: Option<u32>,
}

/// What the server is to answer next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Greeting,
    Connect,
    CreateStream,
    Publish,
    Publishing,
}

impl Session {
    /// A session, and the first bytes for the server: C0 and C1 (section 5.2). Nobody looks at
    /// the random part of C1 but to give it back.
    pub(super) fn new(target: &PushTarget) -> (Self, Vec<u8>) {
        let mut first = vec![0; 1 + HANDSHAKE];
        first[0] = VERSION;
        let session = Self {
            step: Step::Greeting,
            greeting: Vec::new(),
            assembler: ChunkAssembler::new().with_max_in_progress_bytes(MAX_RECEIVED),
            writer: ChunkWriter::new(),
            target: target.clone(),
            stream: 1,
            received: 0,
            acknowledged: 0,
            window: 0,
            base: None,
        };
        (session, first)
    }

    /// Takes bytes of the server and gives the answer to them.
    pub(super) fn handle_bytes(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut out = Vec::new();
        if self.step == Step::Greeting {
            self.greeting.extend_from_slice(bytes);
            if self
                .greeting
                .first()
                .is_some_and(|version| *version != VERSION)
            {
                return Err(Failure::Protocol);
            }
            if self.greeting.len() < 1 + 2 * HANDSHAKE {
                return Ok(out);
            }
            let greeting = std::mem::take(&mut self.greeting);
            let (hello, rest) = greeting.split_at(1 + 2 * HANDSHAKE);
            // C2 gives S1 back.
            out.extend_from_slice(&hello[1..=HANDSHAKE]);
            self.connect(&mut out)?;
            self.read(rest, &mut out)?;
        } else {
            self.read(bytes, &mut out)?;
        }
        self.received += bytes.len() as u64;
        let unacknowledged = self.received - self.acknowledged;
        if self.window > 0 && unacknowledged >= u64::from(self.window) {
            self.acknowledged = self.received;
            // Sequence numbers wrap (section 5.4.3).
            let sequence = ProtocolControl::Acknowledgement(self.received as u32);
            out.extend(self.write(sequence.to_message())?);
        }
        Ok(out)
    }

    /// Byte by byte: a new chunk size holds for what stands right behind it, and the assembler
    /// gives no message before it has read all of what it is given. A server says little.
    fn read(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        for byte in bytes {
            let messages = self.assembler.push(std::slice::from_ref(byte));
            for message in messages.map_err(|_| Failure::Protocol)? {
                self.handle_message(&message, out)?;
            }
        }
        Ok(())
    }

    fn handle_message(&mut self, message: &Message, out: &mut Vec<u8>) -> Result<(), Failure> {
        let control = ProtocolControl::from_message(message);
        match control.map_err(|_| Failure::Protocol)? {
            Some(ProtocolControl::SetChunkSize(size)) => self.assembler.set_chunk_size(size),
            Some(ProtocolControl::Abort { chunk_stream_id }) => {
                self.assembler.abort(chunk_stream_id);
            }
            Some(ProtocolControl::WindowAckSize(size)) => self.window = size,
            Some(ProtocolControl::SetPeerBandwidth { .. }) => {
                let window = ProtocolControl::WindowAckSize(WINDOW);
                out.extend(self.write(window.to_message())?);
            }
            _ => {}
        }
        match (message.message_type_id, message.payload.as_slice()) {
            // Ping (section 7.1.7): event type 6 and a time, which goes back.
            (msg_type::USER_CONTROL, [0, 6, time @ ..]) => {
                if let Some(time) = time.first_chunk() {
                    let pong = UserControl::PingResponse(u32::from_be_bytes(*time));
                    out.extend(self.write(pong.to_message())?);
                }
            }
            (msg_type::COMMAND_AMF0, payload) => self.handle_command(payload, out)?,
            _ => {}
        }
        Ok(())
    }

    fn handle_command(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        let Some((name, rest)) = read_text(payload) else {
            return Ok(());
        };
        match (name, self.step, read_number(rest)) {
            (b"_result", Step::Connect, Some(CONNECT_ID)) => self.create_stream(out),
            (b"_result", Step::CreateStream, Some(CREATE_ID)) => {
                let last = payload.len().checked_sub(NUMBER);
                let stream = last.and_then(|at| read_number(&payload[at..]));
                self.stream = stream.ok_or(Failure::Protocol)? as u32;
                self.publish(out)
            }
            (b"_error", Step::Connect, Some(CONNECT_ID))
            | (b"_error", Step::CreateStream, Some(CREATE_ID)) => Err(Failure::Refused {
                code: status_code(rest),
            }),
            // Servers that do not know `releaseStream` and `FCPublish` say so, too.
            (b"onStatus", _, _) => {
                let code = status_code(rest);
                if code == "NetStream.Publish.Start" {
                    self.step = Step::Publishing;
                } else if is_refusal(&code) {
                    return Err(Failure::Refused { code });
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Section 7.2.1.1.
    fn connect(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        self.step = Step::Connect;
        let chunk_size = ProtocolControl::SetChunkSize(CHUNK_SIZE);
        out.extend(self.write(chunk_size.to_message())?);
        self.writer.set_chunk_size(CHUNK_SIZE);
        let text = |text: &str| Amf0Value::String(text.to_owned());
        let about = [
            ("app", text(self.target.app())),
            ("type", text("nonprivate")),
            ("flashVer", text("FMLE/3.0 (compatible; weblive)")),
            ("tcUrl", text(&self.target.tc_url())),
        ];
        let about = about.map(|(name, value)| (name.to_owned(), value));
        let about = Amf0Value::Object(about.into());
        out.extend(self.command("connect", CONNECT_ID, vec![about])?);
        Ok(())
    }

    /// `releaseStream` and `FCPublish` are of no specification; some services want them.
    fn create_stream(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        self.step = Step::CreateStream;
        let key = Amf0Value::String(self.target.key().to_owned());
        for (name, id) in [("releaseStream", 2.0), ("FCPublish", 3.0)] {
            out.extend(self.command(name, id, vec![Amf0Value::Null, key.clone()])?);
        }
        out.extend(self.command("createStream", CREATE_ID, vec![Amf0Value::Null])?);
        Ok(())
    }

    /// Section 7.2.2.6.
    fn publish(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        self.step = Step::Publish;
        let key = Amf0Value::String(self.target.key().to_owned());
        let live = Amf0Value::String("live".to_owned());
        let arguments = vec![Amf0Value::Null, key, live];
        out.extend(self.command_on(self.stream, "publish", 5.0, arguments)?);
        Ok(())
    }

    /// Whether the server takes media.
    pub(super) fn is_publishing(&self) -> bool {
        self.step == Step::Publishing
    }

    /// A whole FLV tag with its `PreviousTagSize`, as a message. Nothing for what is no tag: the
    /// file header.
    pub(super) fn write_tag(&mut self, tag: &[u8]) -> Result<Vec<u8>, Failure> {
        let (Some(head), Some(end)) = (tag.first_chunk::<TAG_HEADER>(), tag.len().checked_sub(4))
        else {
            return Ok(Vec::new());
        };
        let [kind, _, _, _, t2, t1, t0, t3, ..] = *head;
        let body = tag.get(TAG_HEADER..end).unwrap_or_default();
        let time = u32::from_be_bytes([t3, t2, t1, t0]);
        let (chunk_stream_id, timestamp, payload) = match kind {
            msg_type::AUDIO => (AUDIO_CHUNKS, self.since_base(time), body.to_vec()),
            msg_type::VIDEO => (VIDEO_CHUNKS, self.since_base(time), body.to_vec()),
            // `@setDataFrame` in front makes servers keep it for those who come later.
            msg_type::DATA_AMF0 => (AUDIO_CHUNKS, 0, [SET_DATA_FRAME, body].concat()),
            _ => return Ok(Vec::new()),
        };
        self.write(Message {
            chunk_stream_id,
            timestamp,
            message_type_id: kind,
            message_stream_id: self.stream,
            payload,
        })
    }

    /// Says that the stream is over (`FCUnpublish`, `deleteStream`).
    pub(super) fn write_end(&mut self) -> Result<Vec<u8>, Failure> {
        if !self.is_publishing() {
            return Ok(Vec::new());
        }
        let key = Amf0Value::String(self.target.key().to_owned());
        let mut out = self.command("FCUnpublish", 6.0, vec![Amf0Value::Null, key])?;
        let stream = Amf0Value::Number(self.stream.into());
        out.extend(self.command("deleteStream", 7.0, vec![Amf0Value::Null, stream])?);
        Ok(out)
    }

    fn command(
        &mut self,
        name: &str,
        id: f64,
        arguments: Vec<Amf0Value>,
    ) -> Result<Vec<u8>, Failure> {
        self.command_on(0, name, id, arguments)
    }

    fn command_on(
        &mut self,
        stream: u32,
        name: &str,
        transaction_id: f64,
        arguments: Vec<Amf0Value>,
    ) -> Result<Vec<u8>, Failure> {
        let command = Command {
            name: name.to_owned(),
            transaction_id,
            arguments,
        };
        self.write(Message {
            chunk_stream_id: COMMAND_CHUNKS,
            timestamp: 0,
            message_type_id: msg_type::COMMAND_AMF0,
            message_stream_id: stream,
            payload: command.to_body().map_err(|_| Failure::Protocol)?,
        })
    }

    fn write(&mut self, message: Message) -> Result<Vec<u8>, Failure> {
        self.writer.write(&message).map_err(|_| Failure::Protocol)
    }

    /// Servers expect a stream to begin near zero.
    fn since_base(&mut self, time: u32) -> u32 {
        let since = time.wrapping_sub(*self.base.get_or_insert(time));
        // Sound that was muxed a moment before the key frame.
        if since > i32::MAX as u32 { 0 } else { since }
    }
}

/// Whether a status says that the server does not take the stream, or no longer (RTMP 1.0,
/// sections 7.2.1 and 7.2.2).
fn is_refusal(code: &str) -> bool {
    [
        "NetConnection.Connect.",
        "NetStream.Publish.",
        "NetStream.Failed",
    ]
    .iter()
    .any(|start| code.starts_with(start))
}

/// An AMF 0 string, and what follows it.
fn read_text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let [2, high, low, rest @ ..] = bytes else {
        return None;
    };
    rest.split_at_checked(u16::from_be_bytes([*high, *low]).into())
}

/// An AMF 0 number at the beginning.
fn read_number(bytes: &[u8]) -> Option<f64> {
    let [0, rest @ ..] = bytes else { return None };
    rest.first_chunk().map(|bytes| f64::from_be_bytes(*bytes))
}

/// The property `code` of an information object; empty if there is none.
fn status_code(bytes: &[u8]) -> String {
    let name = b"\0\x04code";
    let at = bytes.windows(name.len()).position(|window| window == name);
    let value = at.and_then(|at| read_text(&bytes[at + name.len()..]));
    value.map_or_else(String::new, |(text, _)| {
        String::from_utf8_lossy(text).into_owned()
    })
}

/// RTMP 1.0 is version 3.
const VERSION: u8 = 3;

/// Bytes of C1, C2, S1 and S2.
const HANDSHAKE: usize = 1_536;

/// Bytes that a server may send without an acknowledgement being asked for; it sends little.
const WINDOW: u32 = 2_500_000;

// Transaction ids whose answers are waited for.
const CONNECT_ID: f64 = 1.0;
const CREATE_ID: f64 = 4.0;

/// Bytes of an AMF 0 number.
const NUMBER: usize = 9;

const TAG_HEADER: usize = 11;

/// `@setDataFrame` as an AMF 0 string.
const SET_DATA_FRAME: &[u8] = b"\x02\0\x0d@setDataFrame";

/// Bytes of a chunk's payload. Large enough that headers do not count, small enough that sound
/// is not held up behind a picture.
const CHUNK_SIZE: u32 = 4_096;

/// Bytes of messages that a server may leave half sent: it only sends short ones.
const MAX_RECEIVED: usize = 64 * 1024;

// Chunk streams (section 5.3.1.1); 2 is for protocol control.
const COMMAND_CHUNKS: u32 = 3;
const AUDIO_CHUNKS: u32 = 4;
const VIDEO_CHUNKS: u32 = 6;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtmp_runtime::server::{ServerEvent, ServerSession};

    use super::*;

    fn tag(kind: u8, time: u32, body: &[u8]) -> Vec<u8> {
        let [t3, t2, t1, t0] = time.to_be_bytes();
        let [_, s2, s1, s0] = (body.len() as u32).to_be_bytes();
        let mut tag = vec![kind, s2, s1, s0, t2, t1, t0, t3, 0, 0, 0];
        tag.extend_from_slice(body);
        tag.extend_from_slice(&(body.len() as u32 + 11).to_be_bytes());
        tag
    }

    /// A session that is publishing, and its server; and all events of that.
    fn connected() -> (Session, ServerSession, Vec<ServerEvent>) {
        let target = "rtmp://h/live/secret?a=b".parse().unwrap();
        let mut server = ServerSession::with_defaults();
        let (mut session, mut bytes) = Session::new(&target);
        let mut seen = Vec::new();
        while !bytes.is_empty() {
            let (answer, events) = server.handle_data(&bytes).unwrap();
            seen.extend(events);
            // Cut anywhere.
            let (a, b) = answer.split_at(answer.len() / 3);
            bytes = session.handle_bytes(a).unwrap();
            bytes.extend(session.handle_bytes(b).unwrap());
        }
        (session, server, seen)
    }

    #[test]
    fn a_stream_is_published_under_app_and_key() {
        let (session, _, seen) = connected();
        assert!(session.is_publishing());
        let Some(ServerEvent::Publish {
            app, stream_key, ..
        }) = seen.last()
        else {
            panic!("{seen:?}");
        };
        assert_eq!((app.as_str(), stream_key.as_str()), ("live", "secret?a=b"));
    }

    #[test]
    fn tags_arrive_as_they_are_and_times_begin_at_zero() {
        let (mut session, mut server, _) = connected();
        let large = vec![0xab; 10_000];
        let tags = [
            tag(9, 70_000, &large),
            tag(8, 69_990, b"\xaf\x01early"),
            tag(8, 70_021, b"\xaf\x01sound"),
            tag(9, 70_000 + 0x0100_0000, b"\x27\x01later"),
        ];
        let mut flv = Vec::new();
        for tag in &tags {
            let bytes = session.write_tag(tag).unwrap();
            for event in server.handle_data(&bytes).unwrap().1 {
                match event {
                    ServerEvent::Media { flv: part } => flv.extend(part),
                    other => panic!("{other:?}"),
                }
            }
        }
        let got = crate::tests::tags(&flv);
        let heads: Vec<_> = got.iter().map(|tag| (tag.0, tag.1)).collect();
        assert_eq!(heads, [(9, 0), (8, 0), (8, 21), (9, 0x0100_0000)]);
        assert_eq!(got[0].2, large);
        assert_eq!(got[2].2, b"\xaf\x01sound");
    }

    #[test]
    fn metadata_is_set_and_the_file_header_is_left_out() {
        let (mut session, mut server, _) = connected();
        assert!(
            session
                .write_tag(b"FLV\x01\x05\0\0\0\x09\0\0\0\0")
                .unwrap()
                .is_empty()
        );
        assert!(session.write_tag(b"").unwrap().is_empty());
        let bytes = session
            .write_tag(&tag(18, 0, b"\x02\0\x0aonMetaData"))
            .unwrap();
        let sent = b"\x02\0\x0d@setDataFrame\x02\0\x0aonMetaData";
        assert!(bytes.ends_with(sent));
        assert!(server.handle_data(&bytes).is_ok());
    }

    #[test]
    fn the_end_is_said() {
        let (mut session, mut server, _) = connected();
        let bytes = session.write_end().unwrap();
        let events = server.handle_data(&bytes).unwrap().1;
        assert!(events.contains(&ServerEvent::Eof), "{events:?}");
        let (mut early, _) = Session::new(&"rtmp://h/live/k".parse().unwrap());
        assert!(early.write_end().unwrap().is_empty());
    }

    /// A server's message, in one chunk.
    fn message(message_type_id: u8, payload: &[u8]) -> Vec<u8> {
        let mut writer = ChunkWriter::new();
        writer.set_chunk_size(CHUNK_SIZE);
        let message = Message {
            chunk_stream_id: 3,
            timestamp: 0,
            message_type_id,
            message_stream_id: 0,
            payload: payload.to_vec(),
        };
        writer.write(&message).unwrap()
    }

    #[test]
    fn what_a_server_says_beside_is_passed_over() {
        let (mut session, ..) = connected();
        for said in [
            // As ffmpeg says it: without a transaction id.
            &b"\x02\0\x0bonFCPublish"[..],
            b"\x02\0\x08onBWDone\0\0\0\0\0\0\0\0\0\x05",
            b"\x02\0\x06_error\0\x40\0\0\0\0\0\0\0\x05",
            b"\x02\0\x08onStatus\0\0\0\0\0\0\0\0\0\x05\x03\0\x03d\xc3e\x02\0\x01a\0\0\x09",
            b"",
            b"\xff",
        ] {
            let bytes = message(msg_type::COMMAND_AMF0, said);
            assert_eq!(session.handle_bytes(&bytes), Ok(Vec::new()));
        }
        assert!(session.is_publishing());
    }

    #[test]
    fn a_ping_is_answered_and_bytes_are_acknowledged() {
        let (mut session, ..) = connected();
        let ping = message(msg_type::USER_CONTROL, &[0, 6, 1, 2, 3, 4]);
        let pong = session.handle_bytes(&ping).unwrap();
        assert!(pong.ends_with(&[0, 7, 1, 2, 3, 4]));
        let window = message(msg_type::WINDOW_ACK_SIZE, &[0, 0, 0, 1]);
        let acknowledged = session.handle_bytes(&window).unwrap();
        assert_eq!(acknowledged[7], msg_type::ACKNOWLEDGEMENT);
        let count = u32::try_from(session.received).unwrap().to_be_bytes();
        assert!(acknowledged.ends_with(&count));
    }

    #[test]
    fn a_refusal_ends_it() {
        let (mut session, ..) = connected();
        let said = b"\x02\0\x08onStatus\0\0\0\0\0\0\0\0\0\x05\x03\0\x04code\x02\0\x10NetStream.Failed\0\0\x09";
        let refused = session.handle_bytes(&message(msg_type::COMMAND_AMF0, said));
        let code = "NetStream.Failed".to_owned();
        assert_eq!(refused, Err(Failure::Refused { code }));
        let (mut other, _) = Session::new(&"rtmp://h/live/k".parse().unwrap());
        assert_eq!(other.handle_bytes(b"HTTP/1.1 400"), Err(Failure::Protocol));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            kind in 1_u8..23,
            payload in proptest::collection::vec(any::<u8>(), 0..200),
            raw in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let (mut session, ..) = connected();
            let answer = session.handle_bytes(&message(kind, &payload));
            if answer.is_ok() {
                // Nothing that a server says is amplified.
                let said = payload.len() + raw.len();
                let more = session.handle_bytes(&raw).unwrap_or_default();
                prop_assert!(answer.unwrap().len() + more.len() <= 64 + 4 * said);
            }
        }
    }

    #[test]
    fn only_words_of_the_protocol_are_kept_of_a_refusal() {
        assert!(is_refusal("NetStream.Publish.BadName"));
        assert!(is_refusal("NetConnection.Connect.Rejected"));
        assert!(!is_refusal("NetStream.Play.Failed"));
        assert!(!is_refusal(""));
    }
}
