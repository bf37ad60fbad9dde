import { server, uploadImage } from 'weblive';

/** Pixels of the longer side: posters are small. */
const SIDE = 960;

/** Draws what a track shows into a small JPEG. Null where it shows nothing. */
export async function frameOf(track: MediaStreamTrack): Promise<Blob | null> {
  const video = document.createElement('video');
  video.muted = true;
  video.playsInline = true;
  video.srcObject = new MediaStream([track]);
  try {
    await video.play();
    if (video.videoWidth === 0) await new Promise((resolve) => video.addEventListener('loadeddata', resolve, { once: true }));
    return await drawn(video, video.videoWidth, video.videoHeight);
  } finally {
    video.srcObject = null;
  }
}

/** Makes a picture that somebody chose as small as a poster need be. */
export async function smaller(file: Blob): Promise<Blob | null> {
  const bitmap = await createImageBitmap(file);
  try {
    return await drawn(bitmap, bitmap.width, bitmap.height);
  } finally {
    bitmap.close();
  }
}

/** Uploads a poster; resolves to its path on the server. */
export async function uploadPoster(picture: Blob, userSig: string): Promise<string> {
  const payload = await uploadImage(picture, { server: server(), ...(userSig !== '' && { userSig }) });
  const original = payload.imageInfoArray[0]?.url ?? '';
  return original === '' ? '' : new URL(original, server()).pathname;
}

async function drawn(picture: CanvasImageSource, width: number, height: number): Promise<Blob | null> {
  if (width === 0 || height === 0) return null;
  const scale = Math.min(1, SIDE / Math.max(width, height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.getContext('2d')?.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.82));
}
