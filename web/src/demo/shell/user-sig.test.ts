import { describe, expect, it } from 'vitest';
import { readUserSig } from './user-sig';

const SIG =
  'eJyrVgrxCdYrSy1SslIy0jNQ0gHzM1NS80oy0zLBwhWZiflZpXlQqeKU7MSCgswUJStDEwMogMiUZOamKlkZmqOKplYUZBaBxE1NTY3gosWZ6UpWSj5ljuYp*p7l5unBxXnF2WVhVU4uAf7Ozi5JpX7O5SbuHuUhzgZJmQXaTia2SrUAohcx8g__';

describe('a UserSig', () => {
  it('says whom it is for', async () => {
    expect(await readUserSig(SIG)).toEqual({ sdkAppId: 1_400_000_000, userId: 'xiaojun' });
  });

  it('is nothing else', async () => {
    for (const text of ['', 'hello', SIG.slice(0, 60), 'x'.repeat(60), `${SIG} `]) expect(await readUserSig(text)).toBeNull();
  });
});
