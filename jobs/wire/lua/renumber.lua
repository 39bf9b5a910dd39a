--!messages
-- Corrects the number of an attempt whose job Redis had forgotten when its id was sent again: SQL knows of earlier ones.
-- KEYS: run.  ARGV: tag of the message, attempt by SQL
-- Answers 1 where it was another.
local have = redis.call('HMGET', KEYS[1], 'attempt', 'messages', 'sending')
local told = attempt_of(have[2], ARGV[1])
if not told or told == tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 'messages', remembered(string.gsub(have[2], ';' .. string.gsub(ARGV[1], '%-', '%%-') .. '=%d+', ''), ARGV[1], ARGV[2]))
-- Attempts that follow it are counted from it, each by its own message.
if tonumber(have[1]) == told then redis.call('HSET', KEYS[1], 'attempt', ARGV[2], 'sending', ARGV[2]) end
return 1
