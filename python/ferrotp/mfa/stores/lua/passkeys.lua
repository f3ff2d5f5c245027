-- KEYS: the factors of each user -> the ids of each one's passkeys
local all = {}
for i, key in ipairs(KEYS) do all[i] = passkeys_in(key) end
return all
