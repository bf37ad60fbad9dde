server=http://127.0.0.1:8080 app=1400000000 key=your-app-key
method=PUT target=/api/v1/rooms/42 body='{"owner":"anna","name":"Anna, live"}'
time=$(date +%s) nonce=$(openssl rand -hex 8)
hash=$(printf %s "$body" | openssl dgst -sha256 -hex | sed 's/.* //')
signature=$(printf 'weblive-request-1\n%s\n%s\n%s\n%s\n%s' \
  "$method" "$target" "$time" "$nonce" "$hash" |
  openssl dgst -sha256 -hmac "$key" -hex | sed 's/.* //')
curl -X "$method" "$server$target" -H 'Content-Type: application/json' -d "$body" \
  -H "Weblive-App: $app" -H "Weblive-Time: $time" -H "Weblive-Nonce: $nonce" \
  -H "Weblive-Signature: $signature"
