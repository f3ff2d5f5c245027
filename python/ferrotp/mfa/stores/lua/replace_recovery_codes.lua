-- only_first, then selector and sealed hash of each -> 1 or 0
check_whole()
if not is_bound() then return 0 end
if ARGV[2] == '1' and redis.call('EXISTS', KEYS[3]) == 1 then return 0 end

replace_codes(3)
return 1
