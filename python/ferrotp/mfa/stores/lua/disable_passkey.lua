-- id -> 1 or 0
local one = factor(ARGV[2])
if not one or one.kind ~= 'passkey' or one.state ~= 'active' then return 0 end

one.state = 'disabled'
put(ARGV[2], one)
return 1
