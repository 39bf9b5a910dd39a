--!messages
-- How far a running attempt is. KEYS: run, events, result.
-- ARGV: attempt, owner, progress JSON, event, result JSON or '', result expiry [s], and of what Celery code sent the
--   tag of its message
-- Answers 'ok', 'cancel' (somebody wishes it ended) or 'taken' (it is no longer this worker's).
local have = redis.call('HMGET', KEYS[1], 'attempt', 'phase', 'owner', 'cancel', 'messages')
local message = ARGV[7] or ''
local mine = attempt_of(have[5], message) or tonumber(ARGV[1])
if not have[1] then
  -- Redis was emptied under a running attempt: the worker announces what it holds (LINE 4).
  redis.call('HSET', KEYS[1], 'attempt', mine, 'phase', 'running', 'state', 'STARTED', 'owner', ARGV[2])
  if message ~= '' then redis.call('HSET', KEYS[1], 'messages', remembered(nil, message, mine), 'sending', mine) end
elseif tonumber(have[1]) ~= mine or have[2] ~= 'running' or have[3] ~= ARGV[2] then
  return 'taken'
end
local id = redis.call('XADD', KEYS[2], '*', 'e', numbered(ARGV[4], mine))
redis.call('HSET', KEYS[1], 'progress', ARGV[3], 'event', id)
if ARGV[5] ~= '' then
  redis.call('SETEX', KEYS[3], ARGV[6], ARGV[5])
  redis.call('PUBLISH', KEYS[3], ARGV[5])
end
return have[4] and 'cancel' or 'ok'
