-- How far a running attempt is. KEYS: run, events, result.
-- ARGV: attempt, owner, progress JSON, event, result JSON or '', result expiry [s]
-- Answers 'ok', 'cancel' (somebody wishes it ended) or 'taken' (it is no longer this worker's).
local have = redis.call('HMGET', KEYS[1], 'attempt', 'phase', 'owner', 'cancel')
if not have[1] then
  -- Redis was emptied under a running attempt: the worker announces what it holds (LINE 4).
  redis.call('HSET', KEYS[1], 'attempt', ARGV[1], 'phase', 'running', 'state', 'STARTED', 'owner', ARGV[2])
elseif tonumber(have[1]) ~= tonumber(ARGV[1]) or have[2] ~= 'running' or have[3] ~= ARGV[2] then
  return 'taken'
end
local id = redis.call('XADD', KEYS[2], '*', 'e', ARGV[4])
redis.call('HSET', KEYS[1], 'progress', ARGV[3], 'event', id)
if ARGV[5] ~= '' then
  redis.call('SETEX', KEYS[3], ARGV[6], ARGV[5])
  redis.call('PUBLISH', KEYS[3], ARGV[5])
end
return have[4] and 'cancel' or 'ok'
