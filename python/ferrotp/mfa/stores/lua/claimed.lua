-- Stands before a script that gives a user passkeys, where the ids of passkeys are in other slots than their users.
-- KEYS[9] the claim under way, which this uses up: without it, another user may have claimed the id -> 'late'
if redis.call('DEL', KEYS[9]) == 0 then return 'late' end

