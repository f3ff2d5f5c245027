-- challenge, when it expires, now, id, the sealed record that was read, its replacement, counter, disable_at
--   -> 'accepted' | 'answered' | 'changed'
local challenge, expires, now, id, counter = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[8]
if was_answered(challenge, now) then
  must_be_writable()
  return 'answered'
end
local one = factor(id)
if not one or one.kind ~= 'passkey' or one.state ~= 'active' or one.sealed ~= ARGV[6] then return 'changed' end
-- `counts_on` of base.py.
if not newer(counter, one.last) and not (counter == '0' and one.last == '0') then return 'changed' end
local codes = budget('otp')

answer(challenge, expires, now)
one.last, one.used, one.sealed = counter, now, ARGV[7]
put(id, one)
if codes.failures < number(ARGV[9]) then
  keep('otp', {failures = 0, retry_at = 0, spent_until = codes.spent_until})
end
return 'accepted'
