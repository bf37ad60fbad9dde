"""Publishes H.264 and Opus by WHIP with aiortc: the painted clock of the test card and a beep a second.

Usage: aiortc_publish.py WHIP_URL. Leaves when its standard input ends.
"""

import array
import asyncio
import fractions
import math
import sys
import time
import urllib.parse
import urllib.request

from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from av import AudioFrame, VideoFrame

WIDTH, HEIGHT, FRAME_RATE = 640, 360, 30
COLUMNS, ROWS = 24, 2
STRIP_LEFT, STRIP_TOP, STRIP_WIDTH, STRIP_HEIGHT = 0.04, 0.8, 0.92, 0.14
SAMPLE_RATE = 48_000


def crc8(data: bytes) -> int:
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = ((crc << 1) ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc


def clock_rows(now_ms: int) -> list[bytes]:
    """The rows of brightness for the cells of a time; see web/src/clockcode.ts."""
    clock = (now_ms % 2**40).to_bytes(5, "big")
    code = clock + bytes([crc8(clock)])
    bits = "".join(f"{byte:08b}" for byte in code)
    rows = []
    for row in range(ROWS):
        line = bytearray([16]) * WIDTH
        for column in range(COLUMNS):
            if bits[row * COLUMNS + column] == "1":
                begin = round(WIDTH * (STRIP_LEFT + STRIP_WIDTH * column / COLUMNS))
                end = round(WIDTH * (STRIP_LEFT + STRIP_WIDTH * (column + 1) / COLUMNS))
                line[begin:end] = bytes([235]) * (end - begin)
        rows.append(bytes(line))
    return rows


class Clock(VideoStreamTrack):
    """A grey ramp that moves, and the clock below it."""

    def __init__(self) -> None:
        super().__init__()
        self.begin = 0.0
        self.count = 0

    async def recv(self) -> VideoFrame:
        if self.count == 0:
            self.begin = time.time()
        await asyncio.sleep(max(0.0, self.begin + self.count / FRAME_RATE - time.time()))
        frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
        shift = self.count % WIDTH
        ramp = bytes(40 + 160 * x // WIDTH for x in range(WIDTH))
        ramp = ramp[shift:] + ramp[:shift]
        top, tall = round(HEIGHT * STRIP_TOP), round(HEIGHT * STRIP_HEIGHT)
        picture = [ramp] * HEIGHT
        rows = clock_rows(int(time.time() * 1000))
        for y in range(tall):
            picture[top + y] = rows[y * ROWS // tall]
        luma = frame.planes[0]
        pad = bytes(luma.line_size - WIDTH)
        luma.update(b"".join(line + pad for line in picture))
        for plane in frame.planes[1:]:
            plane.update(bytes([128]) * plane.buffer_size)
        frame.pts = self.count * 90_000 // FRAME_RATE
        frame.time_base = fractions.Fraction(1, 90_000)
        self.count += 1
        return frame


class Beep(AudioStreamTrack):
    """1 kHz for the first 100 ms of each second of the wall clock."""

    def __init__(self) -> None:
        super().__init__()
        self.begin = 0.0
        self.count = 0

    async def recv(self) -> AudioFrame:
        size = SAMPLE_RATE // 50
        if self.count == 0:
            self.begin = time.time()
        await asyncio.sleep(max(0.0, self.begin + self.count / 50 - time.time()))
        first = self.begin + self.count / 50
        samples = array.array("h", bytes(2 * size))
        for i in range(size):
            at = first + i / SAMPLE_RATE
            level = 12_000 if at % 1 < 0.1 else 300
            samples[i] = int(level * math.sin(2 * math.pi * 1000 * at))
        frame = AudioFrame(format="s16", layout="mono", samples=size)
        frame.planes[0].update(samples.tobytes())
        frame.sample_rate = SAMPLE_RATE
        frame.pts = self.count * size
        frame.time_base = fractions.Fraction(1, SAMPLE_RATE)
        self.count += 1
        return frame


def post(url: str, offer: str) -> tuple[str, str]:
    request = urllib.request.Request(url, offer.encode(), {"content-type": "application/sdp"}, method="POST")
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 201, response.status
        return urllib.parse.urljoin(url, response.headers["location"]), response.read().decode()


def delete(url: str) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=5):
        pass


async def main(url: str) -> None:
    peer = RTCPeerConnection()

    @peer.on("connectionstatechange")
    def changed() -> None:
        print(peer.connectionState, flush=True)

    peer.addTransceiver(Beep(), direction="sendonly")
    video = peer.addTransceiver(Clock(), direction="sendonly")
    codecs = RTCRtpSender.getCapabilities("video").codecs
    video.setCodecPreferences([codec for codec in codecs if codec.mimeType == "video/H264"])
    await peer.setLocalDescription(await peer.createOffer())
    session, answer = await asyncio.to_thread(post, url, peer.localDescription.sdp)
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await asyncio.to_thread(sys.stdin.read)
    await asyncio.to_thread(delete, session)
    await peer.close()


asyncio.run(main(sys.argv[1]))
